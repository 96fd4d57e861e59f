"""The picture of a run: well-formed, every line there, values where they belong."""

import re
from xml.etree import ElementTree

import pytest

from fusiform.lab.train.curves import HEIGHT, WIDTH, called, curves, place, tick

STATS = [
    {"step": 10, "loss": 8.0, "rate": 0.05},
    {"step": 10, "val_tar_0.01": 0.25, "val_eer": 0.5},
    {"step": 20, "loss": 4.0, "rate": 0.1},
    {"step": 20, "val_tar_0.01": 1.0, "val_eer": 0.0},
]
NAME = "{http://www.w3.org/2000/svg}"


def lines(text):
    """Points of each line, in pixels, in the order in which they are drawn."""
    tree = ElementTree.fromstring(text)
    found = [p.get("d") for p in tree.iter(f"{NAME}path") if p.get("fill") == "none"]
    return [[tuple(map(float, p.split())) for p in d[1:].split("L")] for d in found]


def test_each_number_has_its_line():
    loss, rate, tar, eer = lines(curves(STATS))
    assert loss == [(WIDTH / 2, 0.0), (WIDTH, HEIGHT / 2)]
    assert rate == [(WIDTH / 2, HEIGHT / 2), (WIDTH, 0.0)]
    assert tar == [(WIDTH / 2, 0.75 * HEIGHT), (WIDTH, 0.0)]
    assert eer == [(WIDTH / 2, HEIGHT / 2), (WIDTH, HEIGHT)]
    assert "TAR at FAR 0.01" in curves(STATS)


def test_without_people_held_out_there_are_two_panels():
    text = curves([row for row in STATS if "loss" in row])
    assert len(lines(text)) == 2
    assert "held out" not in text


@pytest.mark.parametrize("stats", [[], [{"step": 1, "loss": float("nan")}], STATS[:1]])
def test_little_is_drawn_too(stats):
    ElementTree.fromstring(curves(stats))


def test_all_lies_in_the_picture():
    text = curves([{"step": i, "loss": 1e4 / i, "rate": 1e-4} for i in range(1, 2000)])
    x, y = zip(*(point for line in lines(text) for point in line), strict=True)
    assert 0 <= min(x) <= max(x) <= WIDTH
    assert 0 <= min(y) <= max(y) <= HEIGHT
    assert not re.search("nan|inf", text)


@pytest.mark.parametrize(
    ("reach", "wanted"),
    [(1, 0.2), (0.9, 0.2), (10, 2), (12, 5), (40, 10), (24, 5), (99, 20), (0, 0.2)],
)
def test_ticks_divide_by_round_numbers(reach, wanted):
    assert tick(reach) == pytest.approx(wanted)


def test_names_and_places():
    assert [called("val_eer"), called("val_tar_0.001")] == ["EER", "TAR at FAR 0.001"]
    assert place(3, 4, 100) == 75
    assert place(3, 0, 100) == 0
