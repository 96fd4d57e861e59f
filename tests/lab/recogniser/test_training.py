"""Runs: who is held out, what is kept, stopping and going on to the same bits."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.recogniser import training
from fusiform.lab.recogniser.choices import Recipe
from fusiform.lab.recogniser.people import listed
from fusiform.lab.recogniser.training import (
    Watch,
    device_of,
    few,
    plan_of,
    rank,
    sampler_of,
    split_people,
    train_recogniser,
)
from fusiform.lab.train.state import load_tensors

TINY = Recipe(size=32, dim=16, batch=8, steps=6, val=0.5)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint every two steps."""
    monkeypatch.setattr(training, "LEAST_STEPS", 2)


@pytest.fixture
def data(crops):
    return listed(crops, 32)


def test_a_run_leaves_what_the_page_says(data, tmp_path):
    judged: list[int] = []
    steps: list[tuple[int, int]] = []
    watch = Watch(
        step=lambda done, total, numbers: steps.append((done, total)),
        judged=lambda step, numbers: judged.append(step),
    )
    done = train_recogniser(data, tmp_path / "run", TINY, watch=watch)
    assert (done.done, done.steps, done.people, done.held_out, done.faces) == (6, 6, 4, 4, 16)
    assert (judged, steps[-1]) == ([2, 4, 6], (6, 6))
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"options.json", "stats.jsonl", "result.json", "curves.svg", "last.safetensors",
            "best.safetensors", "checkpoints", "faces-32.npy"} <= names  # fmt: skip
    assert set(done.measured) == {"val_tar_0.1", "val_eer"}  # 96 pairs show no FAR of 0.01
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == done.to_json()
    last, best = (
        json.loads(load_tensors(tmp_path / "run" / f"{name}.safetensors")[1]["measured"])
        for name in ("last", "best")
    )
    assert last == done.measured
    assert rank(best) >= rank(last)


def test_stopped_and_gone_on_it_is_the_same_to_the_bit(data, tmp_path):
    whole = train_recogniser(data, tmp_path / "whole", TINY)
    count = iter(range(100))
    stopped = train_recogniser(
        data, tmp_path / "run", TINY, watch=Watch(stop=lambda: next(count) == 2)
    )
    assert (stopped.done, stopped.steps) == (3, 6)
    seen: list[int] = []
    again = train_recogniser(
        data, tmp_path / "run", TINY, watch=Watch(step=lambda n, *_: seen.append(n))
    )
    assert seen == [4, 5, 6]
    assert again.measured == whole.measured
    one, other = (
        load_tensors(tmp_path / name / "last.safetensors")[0] for name in ("whole", "run")
    )
    assert all(value.equal(other[name]) for name, value in one.items())
    finished = train_recogniser(data, tmp_path / "run", TINY)
    assert (finished.done, finished.loss, finished.measured) == (6, again.loss, again.measured)
    assert finished.seconds == again.seconds >= stopped.seconds > 0
    assert finished.best == int(load_tensors(tmp_path / "run" / "best.safetensors")[1]["step"])


def test_other_options_or_other_data_need_another_folder(data, crops, tmp_path):
    train_recogniser(data, tmp_path / "run", TINY)
    other = Recipe(**{**vars(TINY), "dim": 8})
    with pytest.raises(FusiformError, match="begun otherwise: dim was 16, now 8"):
        train_recogniser(data, tmp_path / "run", other)
    shutil.rmtree(crops / "001")
    with pytest.raises(FusiformError, match="digest was "):
        train_recogniser(listed(crops, 32), tmp_path / "run", TINY)


def test_one_run_at_a_time_in_a_folder(data, tmp_path):
    told: list[str] = []

    def another(split, made):
        with pytest.raises(FusiformError, match=r"Another run is writing to .*/run\."):
            train_recogniser(data, tmp_path / "run", TINY)
        told.append("refused")

    train_recogniser(data, tmp_path / "run", TINY, watch=Watch(split=another))
    assert told == ["refused"]


def test_a_run_begins_with_the_weights_of_another(data, tmp_path):
    before = train_recogniser(data, tmp_path / "before", TINY).folder
    slow = Recipe(**{**vars(TINY), "rate": 1e-9, "steps": 2})
    after = train_recogniser(data, tmp_path / "after", slow, start=before).folder
    fresh = train_recogniser(data, tmp_path / "fresh", slow).folder
    begun, ended, plain = (
        load_tensors(path)[0]["head.layers.3.weight"]
        for path in (before / "best.safetensors", *(f / "last.safetensors" for f in (after, fresh)))
    )
    assert ended.allclose(begun)
    assert not plain.allclose(begun)
    file = before / "last.safetensors"
    with pytest.raises(FusiformError, match="begun otherwise: start was"):
        train_recogniser(data, tmp_path / "after", slow, start=file)
    wide = Recipe(**{**vars(TINY), "dim": 8})
    with pytest.raises(FusiformError, match=r"does not hold weights of this network .*--dim"):
        train_recogniser(data, tmp_path / "wide", wide, start=before)
    with pytest.raises(FusiformError, match="has no weights yet"):
        train_recogniser(data, tmp_path / "none", TINY, start=tmp_path)


def test_a_damaged_checkpoint_is_one_sentence(data, tmp_path):
    count = iter(range(100))
    train_recogniser(data, tmp_path / "run", TINY, watch=Watch(stop=lambda: next(count) == 3))
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(FusiformError, match=r"is damaged .*Delete .* to go on"):
        train_recogniser(data, tmp_path / "run", TINY)
    newest.unlink()
    assert train_recogniser(data, tmp_path / "run", TINY).done == 6


def test_nobody_held_out(data, tmp_path):
    done = train_recogniser(data, tmp_path / "run", Recipe(**{**vars(TINY), "val": 0.0}))
    assert (done.people, done.held_out, done.measured) == (8, 0, {})
    assert not (tmp_path / "run" / "best.safetensors").exists()
    assert (tmp_path / "run" / "last.safetensors").exists()


def test_the_average_is_what_is_judged_and_kept(data, tmp_path):
    plain = train_recogniser(data, tmp_path / "plain", TINY)
    mean = train_recogniser(data, tmp_path / "mean", Recipe(**{**vars(TINY), "average": 5.0}))
    weights = [load_tensors(r.folder / "last.safetensors")[0] for r in (plain, mean)]
    name = "head.layers.3.weight"
    assert not weights[0][name].equal(weights[1][name])


def test_how_much_pictures_are_changed_is_a_choice(data, tmp_path):
    weights = []
    for name in ("none", "strong", "none"):
        recipe = Recipe(**{**vars(TINY), "augment": name})
        made = train_recogniser(data, tmp_path / f"{len(weights)}", recipe)
        weights.append(load_tensors(made.folder / "last.safetensors")[0]["head.layers.3.weight"])
    assert weights[0].equal(weights[2])
    assert not weights[0].equal(weights[1])


def test_triplets_get_several_faces_of_each_person(data):
    recipe = Recipe(loss="triplet", batch=12)
    split = split_people(data.person, 0, 0)
    rows = sampler_of(recipe, split)(0)
    assert np.unique(split.label[rows], return_counts=True)[1].tolist() == [4, 4, 4]
    alone = split_people(np.array([0, 1, 1]), 0, 0)
    assert len(sampler_of(Recipe(loss="triplet"), alone)(0)) == 8  # two people are all there are
    assert len(sampler_of(Recipe(batch=12), split)(0)) == 12


@pytest.mark.parametrize(
    ("person", "share", "told"),
    [
        ([0, 0, 0], 0.0, "faces of 1 person; it takes 2. Add people."),
        ([0, 0, 1, 1, 2, 2], 0.1, "faces of 3 people; it takes 6, four of whom"),
        ([0, 1, 2, 3, 4, 5, 6, 6], 0.1, "give --val 0"),
        ([], 0.0, "faces of 0 people"),
    ],
)
def test_too_few_people_are_told(person, share, told):
    with pytest.raises(FusiformError, match=told):
        split_people(np.array(person, np.int64), share, 0)


def test_people_are_held_out_whole_and_numbered_anew():
    person = np.repeat(np.arange(40), 3)
    split = split_people(person, 0.25, seed=1)
    assert (split.classes, len(split.held), len(split.train)) == (30, 30, 90)
    assert not set(person[split.held]) & set(person[split.train])
    assert (split.label[split.held] == -1).all()
    assert np.unique(split.label[split.train]).tolist() == list(range(30))
    same = split_people(person, 0.25, seed=1)
    assert np.array_equal(split.held, same.held)
    assert not np.array_equal(split.held, split_people(person, 0.25, seed=2).held)
    nobody = split_people(person, 0, seed=1)
    assert (nobody.classes, len(nobody.held)) == (40, 0)


def test_few_keeps_people_whole():
    person = np.array([2, 0, 1, 1, 0, 2, 2])
    rows = np.arange(7)
    assert person[few(person, rows, 5)].tolist() == [0, 0, 1, 1]
    assert len(few(person, rows, 7)) == 7
    assert len(few(np.zeros(9, np.int64), np.arange(9), 4)) == 4


def test_a_plan_warms_up_and_checks_twenty_times():
    plan = plan_of(Recipe(optimiser="adamw", steps=2000), 100)
    assert (plan.steps, plan.warmup, plan.save, plan.every) == (2000, 100, 100, 10)
    assert (plan.rate, plan.decay) == (1e-3, 0.05)
    assert plan_of(Recipe(rate=0.3, steps=1), 100).rate == 0.3


def test_devices():
    assert device_of("cpu") == "cpu"
    assert device_of("auto") in ("cpu", "cuda")
    with pytest.raises(ChoiceError, match="device must be one of 'auto', 'cpu', 'cuda'"):
        device_of("abacus")


def test_a_device_that_is_not_here(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ChoiceError, match="device must be cpu: torch sees no GPU here"):
        device_of("cuda:1")
