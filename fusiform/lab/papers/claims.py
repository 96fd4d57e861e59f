"""Claims: a paper's statement against its own baseline, as a function of a seed and a size.

>>> @claim(metric="TAR at FAR 1e-2", margin=0.02, minutes=3)
... def margin_helps(seed: int, size: str) -> tuple[float, float]:
...     '''The angular margin verifies unseen people better than plain softmax.'''
...     return ours, baseline

The gap of a pair is ours - baseline, or its negative where lower is better. `verdict` judges the
gaps of at least three seeds by a bootstrap interval of their mean.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module, resources
from types import ModuleType
from typing import Any

import numpy as np

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.core.seeds import rng

SIZES = ("tiny", "small", "full")
ROUNDS = 10_000
SEEDS = 3  # the fewest that can show anything
VERDICTS = ("shown", "not shown", "contradicted")

Pair = tuple[float, float]
Trial = Callable[[int, str], Pair]


@dataclass(frozen=True)
class Claim:
    """`name` of the function, what it says, and how it is judged: the mean gap must lie beyond
    `margin`, in units of `metric`; a negative margin says by how much it may be worse.
    `minutes`: what three seeds take at size small on two cores."""

    name: str
    says: str
    metric: str
    higher: bool
    margin: float
    minutes: float
    measure: Trial

    def gap(self, pair: Sequence[float]) -> float:
        """How much better ours is."""
        return (pair[0] - pair[1]) * (1 if self.higher else -1)


@dataclass(frozen=True)
class Paper:
    """A line of catalogue.jsonl. `use`: how a user meets it in fusiform; "" while only measured.
    `tried`: by a claim's name, what was tried to make it hold, where it does not."""

    id: str
    family: str
    title: str
    source: str = ""
    idea: str = ""
    left_out: str = ""
    use: str = ""
    tried: dict[str, str] | None = None

    @property
    def module(self) -> str:
        """Where its file is, should there be one."""
        return f"fusiform.lab.papers.{under(self.family)}.{under(self.id)}"


def claim(
    metric: str, margin: float, minutes: float, higher: bool = True
) -> Callable[[Trial], Trial]:
    """Marks a function `(seed, size) -> (ours, baseline)`; its docstring is the claim."""

    def mark(measure: Trial) -> Trial:
        says = " ".join((measure.__doc__ or "").split())
        if not says:
            raise ChoiceError("a claim's docstring", "what it says", measure.__doc__)
        made = Claim(measure.__name__, says, metric, higher, margin, minutes, measure)
        setattr(measure, "claim", made)  # noqa: B010
        return measure

    return mark


def claims(module: ModuleType) -> tuple[Claim, ...]:
    """The claims of a paper's file, in the order they stand there."""
    marked = [getattr(value, "claim", None) for value in vars(module).values()]
    return tuple(one for one in marked if isinstance(one, Claim))


def under(name: str) -> str:
    """A name as Python's modules can have it."""
    plain = "".join(c if c.isalnum() else "_" for c in name)
    return f"n{plain}" if plain[:1].isdigit() else plain


@cache
def catalogue() -> dict[str, Paper]:
    """All papers by id, in the order of the file."""
    text = (resources.files("fusiform.lab.papers") / "catalogue.jsonl").read_text("utf-8")
    rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if line]
    return {row["id"]: Paper(**row) for row in rows}


def paper(name: str) -> Paper:
    """The paper of that id. Raises ChoiceError with what comes near it."""
    from difflib import get_close_matches

    known = catalogue()
    if name not in known:
        near = get_close_matches(name, known, 3, 0.5)
        hint = f"an id of `fusiform papers list`{', perhaps ' + ', '.join(near) if near else ''}"
        raise ChoiceError("paper", hint, name)
    return known[name]


def is_built(one: Paper) -> bool:
    """Whether its file is there."""
    *folder, name = one.module.split(".")[3:]
    return (resources.files("fusiform.lab.papers").joinpath(*folder, f"{name}.py")).is_file()


def program(one: Paper) -> ModuleType:
    """A paper's file, imported. Raises FusiformError where it is not built."""
    if not is_built(one):
        raise FusiformError(f"{one.id} is not built yet. `fusiform papers list` shows what is.")
    return import_module(one.module)


def bounds(gaps: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron 1979) of the mean of `gaps`.

    Of up to six, all ways to draw them again are gone through, so that nothing is left to chance;
    of three the interval is their smallest and largest.
    """
    values = np.asarray(gaps, float)
    n = len(values)
    if n <= 6:
        draws = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        draws = rng(0, "bounds").integers(n, size=(ROUNDS, n))
    means, tail = values[draws].mean(1), (1 - level) / 2
    # Outward, so that three seeds give their smallest and largest gap.
    low = np.quantile(means, tail, method="lower")
    return float(low), float(np.quantile(means, 1 - tail, method="higher"))


def verdict(gaps: Sequence[float], margin: float) -> str:
    """One of VERDICTS: the interval beyond the margin; below it and below nothing; or else.

    Fewer than SEEDS gaps, or a gap that is not finite, show nothing.
    """
    if len(gaps) < SEEDS or not np.isfinite(gaps).all():
        return "not shown"
    low, high = bounds(gaps)
    if low > margin:
        return "shown"
    return "contradicted" if high < min(margin, 0.0) else "not shown"
