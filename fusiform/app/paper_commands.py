"""`fusiform papers`: published systems, their claims and what measuring them gave (docs/papers.md).

The lab is imported when a command runs, never before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fusiform.app.terminal import Command, Group, JsonOption, say, show, show_json, show_table
from fusiform.app.world_output import bar, extras, need
from fusiform.core.errors import ChoiceError, FusiformError

app = typer.Typer()
papers = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Published face systems as claims that can be run (docs/papers.md).",
)
app.add_typer(papers, name="papers")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="See `fusiform papers list`.")]


@papers.command("list", cls=Command)
def list_papers(
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only of this family, such as rec.loss.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="NAME", help="absent, built, measured or usable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """All papers, where they stand and what was found.

    Examples:

        fusiform papers list --family rec.loss

        fusiform papers list --status measured --json
    """
    with extras():
        from fusiform.lab.papers.report import STATUSES, rows

        known = rows()
    families = list(dict.fromkeys(row.paper.family for row in known))
    if family is not None and family not in families:
        raise ChoiceError("--family", families, family)
    if status is not None and status not in STATUSES:
        raise ChoiceError("--status", STATUSES, status)
    kept = [r for r in known if family in (None, r.paper.family) and status in (None, r.status)]
    if as_json:
        show_json([row.to_json() for row in kept])
        return
    told = [
        (r.paper.id, r.paper.family, r.status, r.verdict + (" (stale)" if r.stale else ""))
        for r in kept
    ]
    show_table(["paper", "family", "status", "verdict"], told)


@papers.command("show", cls=Command)
def show_paper(name: IdArgument, as_json: JsonOption = False) -> None:
    """One paper: its idea, its claims and their figures.

    Examples:

        fusiform papers show arcface

        fusiform papers show arcface --json
    """
    with extras():
        from fusiform.lab.papers.claims import paper
        from fusiform.lab.papers.report import row, section

        found = row(paper(name))
    if as_json:
        show_json(found.to_json() | {"title": found.paper.title, "result": found.result})
    else:
        for told in section(found).splitlines():
            show(told)


@papers.command("run", cls=Command)
def run_paper(
    name: IdArgument,
    size: Annotated[str, typer.Option(help="tiny: does it run; small; full: for a GPU.")] = "small",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    first_seed: Annotated[
        int, typer.Option(min=0, help="The first; from 1000 on they are kept for outside checks.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    add: Annotated[
        bool, typer.Option("--add", help="To the seeds that are measured already.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where results go; see docs/claims.md.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a paper's claims against their baselines, and keep what is found.

    Stop it whenever you like: the same command goes on where it was.

    Examples:

        fusiform papers run arcface

        fusiform papers run arcface --first-seed 3 --add

        fusiform papers run arcface --first-seed 10 --seeds 5 --out checks
    """
    with extras():
        need("torch")
        from fusiform.lab.papers.evidence import run

        with bar("measuring") as told:
            numbers = range(first_seed, first_seed + seeds)
            found = run(name, size, list(numbers), out, workers, told, add)
    if as_json:
        wanted = ("name", "metric", "higher", "margin", "pairs", "gap", "interval", "verdict")
        claims = [{key: claim[key] for key in wanted} for claim in found["claims"]]
        show_json({"id": name, "claims": claims, "minutes": found["minutes"]})
        return
    show_table(
        ["claim", "metric", "gap", "interval", "margin", "verdict"],
        [line(c) for c in found["claims"]],
    )
    if size == "tiny":
        say("size tiny shows that the claims run; what they come to there means nothing")


def line(claim: dict[str, Any]) -> tuple[str, ...]:
    """A claim as a row."""
    low, high = claim["interval"]
    return (
        claim["says"],
        claim["metric"],
        f"{claim['gap']:+.3f}",
        f"{low:+.3f} to {high:+.3f}",
        f"{claim['margin']:+g}",
        claim["verdict"],
    )


@papers.command("check", cls=Command)
def check_papers(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="By default all that are stale.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Whether evidence still stands where code has changed: repeats size tiny, which must agree.

    What agrees is no longer stale; the rest must be run again. Exits with 1 if there is any.

    Examples:

        fusiform papers check

        fusiform papers check arcface --json
    """
    with extras():
        need("torch")
        from fusiform.lab.papers.evidence import check
        from fusiform.lab.papers.report import rows

        todo = names or [row.paper.id for row in rows() if row.stale]
        found = {name: check(name) for name in todo}
    if as_json:
        show_json([{"id": name, "stands": stands} for name, stands in found.items()])
    else:
        for name, stands in found.items():
            show(f"{name}: {'stands' if stands else 'must be run again'}")
    raise typer.Exit(int(not all(found.values())))


@papers.command("report", cls=Command)
def report_papers(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="docs/papers.md of a checkout.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write docs/papers.md anew from the results.

    Examples:

        fusiform papers report

        fusiform papers report --out papers.md
    """
    with extras():
        from fusiform.lab.papers.evidence import ROOT
        from fusiform.lab.papers.report import report

        target = out or ROOT / "docs" / "papers.md"
        text = report()
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise FusiformError(f"{target} cannot be written: {error.strerror}. Give --out.") from error
    if as_json:
        show_json({"written": str(target)})
    else:
        say(f"written: {target}")
