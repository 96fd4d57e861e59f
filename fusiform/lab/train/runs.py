"""Run folders: options asked for, statistics line by line, checkpoints."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusiform.core.errors import FusiformError

OPTIONS, STATS, PART = "options.json", "stats.jsonl", ".*.part-*"


@dataclass(frozen=True)
class Run:
    """The folder of one training run."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def options(self) -> dict[str, Any]:
        """What the run was begun with. Raises FusiformError if there is no run here."""
        try:
            found: dict[str, Any] = json.loads((self.folder / OPTIONS).read_text("utf-8"))
            return found
        except (OSError, ValueError) as error:
            if isinstance(error, FileNotFoundError):
                raise FusiformError(
                    f"{self.folder} is no training run: it has no {OPTIONS}. "
                    "Give the folder that `fusiform train` wrote."
                ) from error
            raise FusiformError(
                f"{self.folder / OPTIONS} is damaged ({error}). Write into it what the run was "
                "begun with, or begin anew in another folder."
            ) from error

    def stats(self) -> Iterator[dict[str, float]]:
        """Its lines: `step` and numbers. A line cut off by a kill is left out."""
        try:
            lines = (self.folder / STATS).read_text("utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Adds a line. Raises FusiformError where it cannot be written."""
        line = json.dumps({"step": step, **{n: float(v) for n, v in numbers.items()}})
        try:
            with (self.folder / STATS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def resume(self, step: int) -> None:
        """Forgets lines after `step`, which will be made again, and files that a kill cut short."""
        for cut in (*self.folder.glob(PART), *self.checkpoints.glob(PART)):
            cut.unlink(missing_ok=True)
        kept = [json.dumps(row) + "\n" for row in self.stats() if row["step"] <= step]
        write(self.folder / STATS, "".join(kept))


def begin(folder: str | Path, options: Mapping[str, Any]) -> Run:
    """The run in `folder`, new or begun with the same `options` (JSON values).

    Raises FusiformError if a run with others is there, naming what differs, or it cannot be
    written.
    """
    run = Run(Path(folder))
    wanted = json.loads(json.dumps(dict(options), sort_keys=True))
    if (run.folder / OPTIONS).exists():
        before = run.options
        names = sorted(n for n in {*before, *wanted} if before.get(n) != wanted.get(n))
        if names:
            said = "; ".join(f"{n} was {before.get(n)!r}, now {wanted.get(n)!r}" for n in names)
            raise FusiformError(
                f"{run.folder} holds a run begun otherwise: {said}. "
                "Use the same options to go on, or give another folder."
            )
        return run
    if run.folder.exists() and (not run.folder.is_dir() or any(run.folder.iterdir())):
        raise FusiformError(f"{run.folder} is not empty and no training run. Give a new folder.")
    write(run.folder / OPTIONS, json.dumps(wanted, indent=1, sort_keys=True) + "\n")
    return run


def write(path: Path, text: str) -> None:
    """A text file, whole or not at all, in a folder that is made if need be. Raises FusiformError
    where it cannot be."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        os.replace(part, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> FusiformError:
    """What to raise where a run cannot write."""
    reason = error.strerror or error
    return FusiformError(f"{path} cannot be written: {reason}. Make room, or give another folder.")
