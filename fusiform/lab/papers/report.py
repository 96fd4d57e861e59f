"""What the papers have come to: the table of `papers list` and docs/papers.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusiform.lab.papers.claims import Paper, catalogue, is_built
from fusiform.lab.papers.evidence import is_stale, stored

STATUSES = ("absent", "built", "measured", "usable")
WORST_FIRST = ("contradicted", "not shown", "shown")
HEAD = """# Papers as claims

Made by `fusiform papers report` from `results/papers`; a test keeps it current. Each claim is
measured against its own baseline on people of the world, who do not exist: same data, seeds and
budget. The gap is ours less the baseline's (turned about where lower is better), with the bootstrap
interval of its mean over seeds; *shown* means that the interval lies beyond the margin. A synthetic
claim is a synthetic claim. Repeat any with `fusiform papers run ID`.
"""


@dataclass(frozen=True)
class Row:
    """Where a paper stands. `verdict`: the worst of its claims, "" where nothing was measured."""

    paper: Paper
    status: str
    verdict: str
    stale: bool
    result: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """As `papers list --json` prints it; gap and interval are those of the first claim."""
        first = self.result["claims"][0] if self.result else {}
        return {
            "id": self.paper.id,
            "family": self.paper.family,
            "status": self.status,
            "verdict": self.verdict,
            "gap": first.get("gap"),
            "interval": first.get("interval"),
            "minutes": self.result["minutes"] if self.result else None,
            "stale": self.stale,
        }


def rows(folder: Path | None = None) -> list[Row]:
    """All papers, in the order of the catalogue."""
    return [row(one, folder) for one in catalogue().values()]


def row(one: Paper, folder: Path | None = None) -> Row:
    """Where one paper stands."""
    if not is_built(one):
        return Row(one, "absent", "", False, None)
    found = stored(one.id, folder)
    if found is None:
        return Row(one, "built", "", False, None)
    verdicts = {claim["verdict"] for claim in found["claims"]}
    worst = next(v for v in WORST_FIRST if v in verdicts)
    return Row(one, "usable" if one.use else "measured", worst, is_stale(found), found)


def report(folder: Path | None = None) -> str:
    """docs/papers.md, of the papers that are built."""
    built = [one for one in rows(folder) if one.status != "absent"]
    parts = [HEAD, *overview(built)]
    for family in dict.fromkeys(one.paper.family for one in built):
        parts.append(f"## {family}\n")
        parts += [section(one) for one in built if one.paper.family == family]
    return "\n".join(parts)


def overview(built: list[Row]) -> list[str]:
    """How many claims came to what: of all papers, and of each."""
    counts = {one.paper.id: verdicts(one) for one in built}
    every: Counter[str] = sum(counts.values(), Counter())
    said = ", ".join(f"{every[v]} {v}" for v in reversed(WORST_FIRST))
    lines = ["| paper | " + " | ".join(reversed(WORST_FIRST)) + " |", "|---|---|---|---|"]
    for name, found in counts.items():
        cells = " | ".join(str(found[v] or "") for v in reversed(WORST_FIRST))
        lines.append(f"| [{name}](#{name}) | {cells} |")
    told = f"{len(built)} of {len(catalogue())} systems are built. "
    told += f"Of {every.total()} claims {said}."
    return [f"{told}\n", "\n".join(lines) + "\n"]


def verdicts(one: Row) -> Counter[str]:
    """How many of a paper's claims came to what."""
    return Counter(claim["verdict"] for claim in (one.result or {"claims": ()})["claims"])


def section(one: Row) -> str:
    """A paper's own part."""
    paper = one.paper
    lines = [f"### {paper.id}", "", f"*{paper.title}*", "", f"{paper.source}.", "", paper.idea]
    lines += ["", f"Left out: {paper.left_out}"] if paper.left_out else []
    lines += ["", f"In use: {paper.use}"] if paper.use else []
    if one.result:
        lines += ["", *table(one.result["claims"]), "", footnote(one)]
        lines += ["", *tried(paper, one.result["claims"])]
    return "\n".join(lines).rstrip() + "\n"


def table(claims: Iterable[dict[str, Any]]) -> list[str]:
    """A line for each claim."""
    lines = ["| claim | metric | ours | baseline | gap | interval | margin | verdict |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for c in claims:
        ours, base = (sum(p[i] for p in c["pairs"]) / len(c["pairs"]) for i in (0, 1))
        low, high = c["interval"]
        metric = c["metric"] + ("" if c["higher"] else " (lower is better)")
        lines.append(
            f"| {c['says']} | {metric} | {ours:.3f} | {base:.3f} | {c['gap']:+.3f} "
            f"| {low:+.3f} to {high:+.3f} | {c['margin']:+g} | **{c['verdict']}** |"
        )
    return lines


def footnote(one: Row) -> str:
    """Where the figures come from."""
    found = one.result or {}
    stale = " **Stale: code that it rests on has changed since.**" if one.stale else ""
    return (
        f"Seeds {', '.join(map(str, found['seeds']))}; {found['minutes']:g} minutes of a core; "
        f"{found['date']}, commit {found['commit'] or 'unknown'}, {found['hardware']}.{stale}"
    )


def tried(paper: Paper, claims: Iterable[dict[str, Any]]) -> list[str]:
    """What was done for claims that do not hold."""
    told = paper.tried or {}
    return [
        f"- `{c['name']}`, {c['verdict']}: {told.get(c['name'], 'nothing more was tried yet.')}"
        for c in claims
        if c["verdict"] != "shown"
    ]
