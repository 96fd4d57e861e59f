"""`fusiform bench`, on tiny sizes: what it says is right, whatever the clock says."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fusiform.app.bench import detect, embed, grow, install, job, memory, realset, run, thresholds
from fusiform.app.bench.group import bench_group
from fusiform.app.bench.peers import Peer
from fusiform.app.bench.photos import chips, make_photos
from fusiform.app.bench.run import Comparison, Result
from fusiform.app.bench.ways import dbscan, ours, whispers
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.hub.card import Card, shipped_cards
from fusiform.measure.verification import pairs
from fusiform.pipeline import load_detector

FAKE = """
from pkg_resources import resource_filename
import numpy as np
assert resource_filename("json", "tool.py").endswith("tool.py")
def load_image_file(path): return path
def face_locations(pixels): return [0, 1]
def face_encodings(pixels, places): return [np.eye(128)[0] * place * 9 for place in places]
"""


@pytest.fixture
def with_yunet(public_models, monkeypatch):
    monkeypatch.setenv("FUSIFORM_MODELS", str(public_models))


@pytest.fixture
def no_peers(monkeypatch):
    monkeypatch.setattr(job, "peers", lambda pythons: nullcontext([]))


@pytest.fixture
def python_peer():
    peer = Peer(sys.executable)
    yield peer
    peer.close()


def some_faces() -> realset.Found:
    """Three people, two photos each, one face far from all: unit vectors and dlib-like lengths."""
    rows = np.repeat(np.eye(4, 128, dtype=np.float32), [2, 2, 2, 1], axis=0)
    photo = np.arange(7)
    who = np.array("a a b b c c d".split())
    paths = tuple(Path(f"{i}.jpg") for i in photo)
    return realset.Found(rows, rows, np.ones(7, np.float32), photo, paths, who)


# Taking turns


def test_ratio_is_in_our_favour_above_one():
    assert Comparison("time", 2.0, "peer", 6.0).ratio == 3
    assert Comparison("f1", 0.9, "peer", 0.6, lower_is_better=False).ratio == pytest.approx(1.5)
    assert Comparison("time", 2.0, "peer", None, note="not installed").ratio is None


def test_contestants_take_turns():
    order = []
    contestants = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    figures = run.interleave(contestants, 3)
    assert "".join(order) == "abbaab"
    assert figures == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert run.least(figures) == {"a": 1, "b": 2}
    with pytest.raises(ChoiceError):
        run.interleave(contestants, 0)


def test_clock_counts_things():
    calls = []
    assert run.clocked(lambda: calls.append(1), 4)() >= 0
    assert calls == [1]


def test_result_is_saved_with_its_machine_and_without_paths(tmp_path):
    line = Comparison("x", 1.0, "peer", 2.0)
    where = run.environment(seed=3, peers=["no-such-distribution"], photos=7)
    path = run.save(Result("x", "minimum", (line,), environment=where), tmp_path / "results")
    told = json.loads(path.read_text("utf-8"))
    assert told["comparisons"][0]["ratio"] == 2
    assert told["environment"]["options"] == {"photos": 7}
    assert told["environment"]["versions"]["no-such-distribution"] is None
    assert {"cpu", "threads", "commit", "date", "seed", "fusiform"} <= set(told["environment"])
    assert str(Path.home()) + "/" not in path.read_text("utf-8")


def test_peak_memory_grows_with_what_is_held():
    before = run.peak_mb()
    held = np.ones(int(before + 50) << 17)
    assert run.peak_mb() > before + 40
    assert held.all()


# Photos


def test_made_photos_depend_on_the_seed_alone(tmp_path):
    make_photos(tmp_path / "a", 3, 1, (0.1, 0.2))
    make_photos(tmp_path / "b", 1, 1, (0.1, 0.2), first=2)
    make_photos(tmp_path / "c", 3, 2, (0.1, 0.2))
    a, c = (
        [p.read_bytes() for p in sorted((tmp_path / folder).iterdir())] for folder in ("a", "c")
    )
    assert len({*a, *c}) == 6
    assert (tmp_path / "b" / "photo000002.jpg").read_bytes() == a[2]
    for path in (tmp_path / "a").iterdir():
        with Image.open(path) as photo:
            width, height = photo.size
        assert 0.09e6 < width * height < 0.21e6


def test_chips_are_different_and_repeatable():
    first = chips(12, 0)
    assert first.shape == (12, 150, 150, 3)
    assert len({chip.tobytes() for chip in first}) == 12
    assert np.array_equal(first[:2], chips(2, 0))


# Peers


def test_dlib_in_another_process_agrees_with_our_network(python_peer, tmp_path):
    faces = chips(3, 0)
    np.save(tmp_path / "in.npy", faces)
    names = {"chips": str(tmp_path / "in.npy"), "out": str(tmp_path / "out.npy")}
    assert python_peer.ask("describe", **names)["ms"] > 0
    theirs = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert np.abs(embed.embedder(1).descriptors(faces) - theirs).max() <= 1e-5
    assert python_peer.dlib.startswith("dlib ")


def test_a_failing_peer_is_named(python_peer, tmp_path):
    with pytest.raises(ChoiceError, match="FileNotFoundError"):
        python_peer.ask("describe", chips=str(tmp_path / "none.npy"), out=None)
    with pytest.raises(ChoiceError, match="peer-python"):
        Peer(str(tmp_path / "no-python"))


def test_face_recognition_runs_without_the_module_it_misses(tmp_path, monkeypatch):
    (tmp_path / "face_recognition.py").write_text(FAKE)
    dist = tmp_path / "face_recognition-9.1.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: face_recognition\nVersion: 9.1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    peer = Peer(sys.executable)
    try:
        assert peer.face_recognition.startswith("face_recognition 9.1, dlib")
        answer = peer.ask("job", photos=["x", "y"], side=None)
    finally:
        peer.close()
    # Two faces a photo, far from one another, the same in both photos.
    assert (answer["faces"], answer["people"]) == (4, 2)


# Truth


def test_truth_gives_each_marked_face_once():
    photo = Path("officials/obama_and_biden.jpg")
    boxes = np.array([[1116, 390, 1341, 618], [716, 415, 941, 643], [0, 0, 50, 50],
                      [1120, 390, 1341, 618], [1623, 1037, 1778, 1233]], np.float32)  # fmt: skip
    names = realset.truth(photo, boxes)
    assert names[:2] + names[4:] == ["obama", "biden", "girl"]
    assert len({*names}) == 5
    assert all(name.startswith("false ") for name in names[2:4])
    assert realset.truth(Path("orl/s7/3.pgm"), np.float32([[10, 30, 80, 100]])) == ["s7"]
    assert realset.truth(Path("officials/unknown.jpg"), boxes[:1])[0].startswith("false ")


def test_every_photo_of_the_set_is_marked(real):
    found = realset.photos(real)
    assert len({photo for photo in found if photo.parent.name != "officials"}) == 200
    assert {p.name for p in found if p.parent.name == "officials"} == set(realset.OFFICIALS)
    assert set(realset.OFFICIALS) > realset.COPIES


# Grouping


@pytest.mark.parametrize("way", [ours, dbscan, whispers])
def test_ways_of_grouping_find_clear_people(way):
    labels = way(some_faces(), 0.5)
    assert [len({*labels[:2]}), len({*labels[2:4]}), len({*labels[4:6]})] == [1, 1, 1]
    assert len({*labels}) == 4


def test_made_vectors_are_like_dlibs():
    rows, people = grow.vectors(300, 0)
    genuine, impostor = pairs(rows, people)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert genuine.mean() == pytest.approx(0.96, abs=0.01)
    assert impostor.mean() == pytest.approx(0.85, abs=0.01)


def test_growing_tells_time_memory_and_who_was_too_slow():
    rows = grow.scaling([40], 0, limit=120)
    assert {row["method"] for row in rows} >= {"ours", "DBSCAN", "HDBSCAN"}
    assert all(row["pairwise F1"] == 1 and row["peak MB"] > 1 for row in rows)
    assert grow.scaling([40], 0, limit=0.001)[0]["seconds"] == "over 0.001"


def test_bench_group(real):
    result = bench_group(real, shuffles=2, sizes=[])
    rows = {(r["set"], r["method"]): r for r in result.tables["agreement over shuffles"]}
    mine = rows["all", "ours"]
    assert mine["pairwise F1 min"] == mine["pairwise F1 max"] >= 0.98
    assert rows["ORL", "ours"]["faces"] + rows["officials", "ours"]["faces"] == mine["faces"]
    assert {line.peer for line in result.comparisons} == {"DBSCAN", "Chinese whispers"}
    halves = result.tables["threshold chosen on half of the people, scored on the others"]
    assert all(0 < row["min F1"] <= row["mean F1"] <= row["max F1"] <= 1 for row in halves)


# Whole runs


def test_bench_job_profiles_every_stage(no_peers):
    result = job.bench_job(count=2, rounds=1)
    rows = result.tables["profile, dlib-hog: CPU ms a photo"]
    spent = {row["stage"]: row["ms/photo"] for row in rows}
    assert spent["sum"] == pytest.approx(sum(spent[s] for s in (*job.STAGES, "other")), abs=0.01)
    assert all(spent[stage] > 0 for stage in ("decode", "detect", "embed", "store"))
    assert [line.note for line in result.comparisons if line.peer_figure is None] == [job.MISSING]
    assert {line.peer for line in result.comparisons} >= {job.CHAIN}


def test_bench_job_takes_a_folder_and_refuses_an_empty_one(no_peers, tmp_path):
    with pytest.raises(ChoiceError, match="with pictures"):
        job.bench_job(tmp_path)
    make_photos(tmp_path, 1, 0, (0.2, 0.2))
    result = job.bench_job(tmp_path, rounds=1)
    assert result.notes == ()
    assert result.environment["options"] == {"photos": 1, "generated": False}


def test_bench_embed(monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 3)
    result = embed.bench_embed(crops=4, rounds=1)
    (table,) = result.tables.values()
    assert table[0]["crops"] == 4
    assert table[0]["largest difference"] <= 1e-5
    assert all(line.ratio > 0 for line in result.comparisons)


def test_bench_detect(with_yunet, monkeypatch):
    monkeypatch.setattr(detect, "CALLS", 1)
    monkeypatch.setattr(detect, "SIZES", {"small": (128, 96)})
    lines = detect.bench_detect(rounds=1).comparisons
    assert {line.peer for line in lines} == {detect.OPENCV, detect.BARE, detect.HOG}
    assert all(line.ratio for line in lines)
    monkeypatch.setattr(detect, "optional", lambda name: None)
    missing = [c for c in detect.bench_detect(rounds=1).comparisons if c.peer == detect.OPENCV]
    assert {(c.peer_figure, c.note[:13]) for c in missing} == {(None, "not installed")}


def test_recall_counts_marked_faces(real):
    row = detect.recall(real, load_detector("dlib-hog"))
    assert row["ORL"].endswith("of 200")
    assert int(row["officials"].split()[0]) >= 12


def test_bench_memory(monkeypatch):
    monkeypatch.setattr(memory, "LARGE", (0.3, 0.3))
    result = memory.bench_memory(3)
    (table,) = result.tables.values()
    assert [row["photos"] for row in table] == [1, 3]
    assert 0 < table[0]["peak MB"] <= table[1]["peak MB"]


def test_sizes_by_distribution(tmp_path):
    for name, size in (("one", 3 << 20), ("two", 1 << 20)):
        (tmp_path / f"{name}.py").write_bytes(b"#" * size)
        dist = tmp_path / f"{name}-1.dist-info"
        dist.mkdir()
        (dist / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (dist / "RECORD").write_text(f"{name}.py,,\n")
    sizes = install.by_distribution(tmp_path)
    assert sizes["one"] == pytest.approx(3, abs=0.1)
    assert sizes["two"] == pytest.approx(1, abs=0.1)
    assert sizes["(of no distribution)"] < 0.1


def test_bench_install_measures_what_pip_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(install, "install", lambda folder, *wanted: Path(sys.executable))
    monkeypatch.setattr(install, "by_distribution", lambda site: {"one": 7.0})
    monkeypatch.setattr(install, "_converted", lambda python, home: 2.0)
    monkeypatch.setattr(install, "import_seconds", lambda python, what: [0.5, 0.25])
    result = install.bench_install(peers=True)
    assert {line.ours for line in result.comparisons} == {9.0, 0.25}
    assert result.comparisons[1].peer_figure == 7
    assert "another day" in install.bench_install().comparisons[1].note


def test_source_is_copied_and_failures_are_told(tmp_path):
    copy = Path(install._source(tmp_path))
    assert (copy / "fusiform" / "py.typed").is_file()
    assert (copy / "pyproject.toml").is_file()
    assert len(install.import_seconds(Path(sys.executable), "json")) == install.IMPORTS
    with pytest.raises(FusiformError, match="no_such_module"):
        install.import_seconds(Path(sys.executable), "no_such_module")


# Thresholds


def test_crops_of_two_detectors_are_never_paired():
    faces = some_faces()
    genuine, impostor = thresholds.pooled([faces, faces[faces.who != "d"]]).scores
    assert (len(genuine), len(impostor)) == (2 * 3, 2 * 12)
    assert np.allclose(genuine, 1)


def test_bench_thresholds_makes_a_part_of_a_card(real):
    result = thresholds.bench_thresholds(real, rounds=20)
    (part,) = result.tables["for the card"]
    card = json.loads(shipped_cards()["dlib-resnet"].to_json()) | part
    limits = Card.from_json(json.dumps(card)).thresholds
    assert [t.fmr for t in limits] == [1e-2, 1e-3, 1e-4]
    assert limits[0].similarity < limits[1].similarity < limits[2].similarity
    assert all(t.low <= t.similarity <= t.high + 1e-4 for t in limits)
    assert part["calibration"][0] > 0
    assert "7 photos" in part["thresholds_source"]


# The command


def test_command_prints_and_saves(real, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["bench", "thresholds", "--real", str(real), "--rounds", "5", "--save"]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0
    saved = json.loads((tmp_path / "results" / "thresholds.json").read_text("utf-8"))
    assert json.loads(done.stdout)["comparisons"] == saved["comparisons"]
    plain = CliRunner().invoke(app, words[:-1])
    assert "similarity at FMR 0.001" in plain.stdout
    assert '"calibration"' in plain.stdout


def test_command_needs_the_real_photos(tmp_path):
    done = CliRunner().invoke(app, ["bench", "thresholds", "--real", str(tmp_path)])
    assert isinstance(done.exception, ChoiceError)
    assert "orl/" in str(done.exception)
