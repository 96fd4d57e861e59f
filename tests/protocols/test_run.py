"""The figures of tests, beside literal versions and scikit-learn."""

from __future__ import annotations

import pickle  # writes packs as their makers did; nothing of ours reads with it

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

from fusiform.core.errors import ChoiceError, DataError
from fusiform.protocols import packs, run
from fusiform.protocols.kinds import KINDS, loaders
from fusiform.protocols.run import Pace
from fusiform.protocols.sets import PairTest, People, SearchTest, Shots, TemplateTest, tenths


@pytest.fixture
def pack(tmp_path, draw):
    """200 pairs of 40 people as lfw.bin."""
    rng = np.random.default_rng(3)
    same = np.tile([True, False], 100)
    first = rng.integers(0, 40, 200)
    second = np.where(same, first, (first + rng.integers(1, 40, 200)) % 40)
    files = [draw(p, i) for i, pair in enumerate(zip(first, second, strict=True)) for p in pair]
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((files, same.tolist()), 2))
    return path


def pair_test(count: int) -> PairTest:
    same = np.tile([True, True, False, False, False], count // 5)
    return PairTest(
        "t", Shots([b""] * (2 * count)), np.arange(count), np.arange(count, 2 * count), same,
        tenths(count),
    )  # fmt: skip


def near(test: PairTest, rng: np.random.Generator) -> np.ndarray:
    """Vectors of which those of a genuine pair are nearer."""
    first = rng.normal(size=(len(test.same), 16))
    noise = rng.normal(size=first.shape)
    return np.concatenate([first, np.where(test.same[:, None], first + noise, noise)])


def test_accuracy_is_that_of_folds_done_by_hand(rng):
    test = pair_test(500)
    vectors = near(test, rng) * rng.uniform(0.5, 9, (1000, 1))
    told = run.report(test, vectors.astype(np.float32))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = (unit[:500] * unit[500:]).sum(1)
    right = []
    for train, held in KFold(10).split(similarity):
        steps = np.unique(similarity[train])
        shares = [((similarity[train] >= step) == test.same[train]).mean() for step in steps]
        best = steps[int(np.argmax(shares))]
        right.append(((similarity[held] >= best) == test.same[held]).mean())
    assert told["accuracy"] == pytest.approx(np.mean(right), abs=0.006)
    error = np.std(right, ddof=1) / np.sqrt(10)
    assert told["accuracy_se"] == pytest.approx(error, abs=0.004)
    assert told["auc"] == pytest.approx(roc_auc_score(test.same, similarity), abs=1e-6)
    assert (told["pairs"], told["genuine"], told["folds"], told["pictures"]) == (500, 200, 10, 1000)
    assert told["tar"][0] == {
        "far": 1e-3, "tar": None, "low": None, "high": None, "threshold": None
    }  # fmt: skip
    at = told["tar"][2]
    accepted = similarity[~test.same] >= at["threshold"] + 1e-6  # vectors were float32
    assert accepted.mean() <= at["far"] == 0.1
    wanted = (similarity[test.same] >= at["threshold"]).mean()
    assert at["tar"] == pytest.approx(wanted, abs=0.006)
    assert at["low"] < at["tar"] < at["high"]


def test_a_pack_through_a_network(pack, look):
    seen, told = [], []

    def embed(crops):
        seen.append(len(crops))
        assert crops[0].shape == (24, 24, 3)
        return look(crops)

    pace = Pace(batch=64, workers=3, progress=lambda done, count: told.append((done, count)))
    found = run.run(packs.load(pack), embed, pace=pace)
    assert found["accuracy"] > 0.95
    assert sorted(seen) == [16, 64, 64, 64, 64, 64, 64]
    assert told == [(192, 400), (384, 400), (400, 400)]
    assert run.run(packs.load(pack), look, pace=Pace(batch=7)) == found


def test_templates_are_pooled_as_insightface_does(rng):
    """Detector's score times vector, mean within a medium, sum over media, unit length."""
    template = np.repeat([3, 1, 7, 9], 5)
    media = np.tile([0, 0, 0, 1, 2], 4)
    score = rng.uniform(0.5, 1, 20).astype(np.float32)
    people = rng.normal(size=(4, 8))[[0, 1, 0, 1]]
    vectors = np.repeat(people, 5, axis=0) * 9 + rng.normal(size=(20, 8))
    first, second = np.array([3, 1, 3, 1, 9]), np.array([7, 9, 1, 7, 3])
    same = np.array([True, True, False, False, False])
    test = TemplateTest("ijbc", Shots([b""] * 20), template, media, score, first, second, same)
    told = run.report(test, vectors.astype(np.float32))
    assert (told["templates"], told["pairs"], told["genuine"]) == (4, 5, 2)
    pooled = {}
    for one in (1, 3, 7, 9):
        mine = template == one
        parts = [(vectors * score[:, None])[mine & (media == m)].mean(0) for m in range(3)]
        pooled[one] = sum(parts) / np.linalg.norm(sum(parts))
    similar = [pooled[a] @ pooled[b] for a, b in zip(first, second, strict=True)]
    assert told["eer"] == (0 if min(similar[:2]) > max(similar[2:]) else told["eer"])
    assert [row["tar"] for row in told["tar"]] == [None] * 6  # three impostors say nothing


def test_a_search(rng):
    person = np.array([0, 1, 2, 0, 1, 2, 2, -1, -1])
    places = np.eye(4)[[0, 1, 2, 0, 3, 1, 2, 3, 3]] + rng.normal(size=(9, 4)) * 0.01
    places[4] = places[1] * 0.3 + np.eye(4)[2]  # the mate of 1 is far; 5, of 2, is where 1 is
    test = SearchTest("tiny", Shots([b""] * 9), person, np.arange(3, 9), np.arange(3))
    told = run.report(test, places.astype(np.float32))
    assert (told["probes"], told["gallery"], told["pictures"]) == (3, 6, 9)
    assert told["rank_1"] == pytest.approx(2 / 3)
    assert told["rank_5"] == told["rank_20"] == 1


def test_people(rng):
    person = np.repeat(np.arange(30), 4)
    names = tuple(map(str, range(30)))
    vectors = np.repeat(rng.normal(size=(30, 16)), 4, axis=0) + rng.normal(size=(120, 16)) * 0.1
    told = run.report(People("mine", Shots([b""] * 120), person, names), vectors)
    assert (told["people"], told["pairs"], told["genuine"]) == (30, 120 * 119 // 2, 30 * 6)
    assert told["tar"][-1]["tar"] == 1
    alone = People("mine", Shots([b""] * 2), np.arange(2), ("a", "b"))
    with pytest.raises(DataError, match="has no pairs of one person or none of two"):
        run.report(alone, vectors[:8:4])
    many = People("mine", Shots([b""] * 5001), np.zeros(5001, int), ("a",))
    with pytest.raises(ChoiceError, match="at most 5000 pictures, since all are compared"):
        run.run(many, lambda crops: vectors)


def test_networks_that_do_not_fit(pack):
    test = packs.load(pack)
    with pytest.raises(ChoiceError, match=r"embed must be a function to \(32, d\) vectors"):
        run.run(test, lambda crops: np.zeros((1, 3)))
    with pytest.raises(ChoiceError, match="finite vectors that are not zero"):
        run.run(test, lambda crops: np.zeros((len(crops), 3)))
    with pytest.raises(ChoiceError, match="PairTest, TemplateTest, SearchTest or People"):
        run.report(3, np.zeros((1, 3)))


def test_pictures_that_do_not_fit(pack, look, draw):
    files = [draw(0)] * 39 + [b"no picture"]
    pack.write_bytes(pickle.dumps((files, [True, False] * 10)))
    with pytest.raises(DataError, match=r"^lfw, picture 39: bytes \(10\): .*no picture"):
        run.run(packs.load(pack), look)
    loose = pair_test(10)
    with pytest.raises(ChoiceError, match="cut must be a function that aligns"):
        run.run(loose, look)


# What lies in a folder


def test_kinds_are_known_by_their_lists(tmp_path, pack, put):
    assert [load().name for load in loaders(tmp_path)] == ["lfw"]
    assert [load().name for load in loaders(pack)] == ["lfw"]
    (tmp_path / "cfp_fp.bin").write_bytes(pack.read_bytes())
    put(tmp_path / "x/0.jpg", 0)
    put(tmp_path / "x/1.jpg", 0, 1)
    (tmp_path / "lfw_ann.txt").write_text("1 x/0.jpg x/1.jpg\n")
    assert [load().name for load in loaders(tmp_path)] == ["cfp_fp", "lfw", "lfw"]
    assert len(loaders(tmp_path, "annotated")) == 1
    (people,) = loaders(tmp_path / "x" / "..", "folders")
    assert people().name == tmp_path.name
    assert people().names == ("x",)


@pytest.mark.parametrize(
    ("file", "kind", "count"),
    [
        ("pairs.txt", "lfw", 1),
        ("Protocol/Split/FP/01/same.txt", "cfp", 1),
        ("04_FINAL_protocol_30_years.mat", "agedb", 1),
        ("pairs_CALFW.txt", "calfw", 1),
        ("pairs_CPLFW.txt", "cplfw", 1),
        ("test/txts/African/African_pairs.txt", "rfw", 1),
        ("txts/Indian/Indian_pairs.txt", "rfw", 1),
        ("IJBB/meta/ijbb_face_tid_mid.txt", "ijb", 1),
        ("meta/ijbc_face_tid_mid.txt", "ijb", 1),
        ("tinyface/Testing_Set/Probe/7_1.jpg", "tinyface", 1),
    ],
)
def test_a_set_that_is_half_there_is_told_so(tmp_path, file, kind, count):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("")
    found = loaders(tmp_path)
    assert len(found) == len(loaders(tmp_path, kind)) == count
    for load in found:
        with pytest.raises(DataError):
            load()


def test_folders_without_a_set(tmp_path):
    with pytest.raises(DataError, match="has no folders of pictures"):
        loaders(tmp_path)[0]()
    for kind in KINDS[:-1]:
        with pytest.raises(DataError, match=f"holds no set of the kind {kind}; docs/recognition"):
            loaders(tmp_path, kind)
    with pytest.raises(DataError, match="gone: does not exist; name the folder of a data set"):
        loaders(tmp_path / "gone")
    with pytest.raises(ChoiceError, match="kind must be one of 'packs'"):
        loaders(tmp_path, "megaface")
