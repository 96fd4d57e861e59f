"""Lists NAME_ann.txt of pairs of aligned crops: "1 path path", 1 for genuine and 0 for impostors.

So LFW, CALFW, CPLFW and AgeDB-30 are commonly distributed as 112 x 112 crops (arcface112); paths
are told from the list's folder. No folds are written: tenths in the order of the list.
"""

from __future__ import annotations

from pathlib import Path

from fusiform.protocols.sets import ListedPair, PairTest, lines, odd_line, pair_test, tenths

TEMPLATE = "arcface112"
ENDING = "_ann.txt"


def load(listed: Path) -> PairTest:
    """The pairs of a list. Raises DataError if it is no such list or a picture is missing."""
    pairs = []
    for place, line in lines(listed):
        words = line.split()
        if len(words) != 3 or words[0] not in ("0", "1"):
            raise odd_line(listed, place, line, "1 path path")
        first, second = (listed.parent / word for word in words[1:])
        pairs.append(ListedPair(first, second, words[0] == "1"))
    name = listed.name.removesuffix(ENDING)
    return pair_test(name, pairs, tenths(len(pairs)), listed, template=TEMPLATE)
