"""Data sets: the same set for any number of workers, by index and in order, as tensors."""

from __future__ import annotations

from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, Subset  # noqa: E402

from fusiform.core.errors import ChoiceError, FusiformError  # noqa: E402
from fusiform.lab.world import samples  # noqa: E402
from fusiform.lab.world.dataset import MIX, PackDataset, WorldDataset  # noqa: E402
from fusiform.lab.world.labels import Photo  # noqa: E402
from fusiform.lab.world.pack import MANIFEST, write_pack  # noqa: E402
from fusiform.lab.world.samples import Options, sample, take  # noqa: E402


def small(**wishes):
    told = {"seed": 5, "size": 32, "people": 3, "images": 2} | wishes
    return WorldDataset(**told)


# Order


@given(
    people=st.one_of(st.none(), st.integers(1, 40)),
    images=st.integers(1, 7),
    start=st.integers(0, 300),
)
def test_indices_go_in_the_order_of_iteration(people, images, start):
    world = WorldDataset(people=people, images=images)
    order = list(islice(world.order(), start, start + 20))
    assert order == [world.place(start + k) for k in range(len(order))]
    if people is not None:
        everything = list(world.order())
        assert len(everything) == len(set(everything)) == people * images == len(world)


@given(
    people=st.integers(1, 60),
    images=st.integers(1, 4),
    workers=st.integers(1, 5),
    ranks=st.integers(1, 3),
)
def test_workers_and_ranks_share_the_pictures_out(people, images, workers, ranks):
    whole = set(WorldDataset(people=people, images=images).order())
    parts = [
        list(WorldDataset(people=people, images=images, part=(rank, ranks)).order(w, workers))
        for rank in range(ranks)
        for w in range(workers)
    ]
    together = [place for part in parts for place in part]
    assert len(together) == len(whole)
    assert set(together) == whole


def test_neighbours_are_different_people():
    order = list(islice(WorldDataset(images=20).order(), 20 * MIX))
    assert len({number for number, _ in order[:MIX]}) == MIX
    assert order[MIX] == (0, 1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_loaders_yield_the_same_set(workers):
    loader = DataLoader(small(labels=("identity", "image_number")), 2, num_workers=workers)
    found = {}
    for batch in loader:
        for image, number, k in zip(*batch.values(), strict=True):
            assert (int(number), int(k)) not in found
            found[int(number), int(k)] = image
    assert set(found) == {(n, k) for n in range(3) for k in range(2)}
    alone = small()[1 * 3 + 2]  # image 1 of person 2
    assert torch.equal(found[2, 1], alone["image"])


def test_endless_and_finite():
    endless = small(people=None)
    with pytest.raises(TypeError, match="never ends"):
        len(endless)
    assert int(endless[10**6]["identity"]) > 10**4
    finite = small()
    assert len(finite) == 6
    for index in (-1, 6):
        with pytest.raises(IndexError):
            finite[index]
    shuffled = DataLoader(Subset(finite, range(len(finite))), 3, shuffle=True)
    assert sum(len(batch["identity"]) for batch in shuffled) == 6


# Tensors


def test_items_are_tensors():
    labels = ("identity", "points", "expression", "parsing", "depth", "pose", "box", "age")
    item = small(preset="parsing", size=40, labels=labels)[1]
    photo = take(Options("parsing", 5, 40, ("points", "expression", "parsing", "depth")), 1, 0)
    assert item["image"].shape == (3, 40, 40)
    assert item["image"].dtype == torch.float32
    restored = (item["image"].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    assert np.array_equal(restored, photo.image)
    assert (item["identity"].dtype, int(item["identity"])) == (torch.int64, 1)
    assert item["parsing"].dtype == torch.int64
    assert item["points68_seen"].dtype == torch.bool
    assert np.array_equal(item["points106"].numpy(), photo.arrays["points106"])
    assert np.array_equal(item["depth"].numpy(), photo.arrays["depth"])
    assert item["expression"].shape == (52,)
    assert np.allclose(item["pose"].numpy(), list(photo.facts["pose"].values()))
    assert item["box"].shape == (4,)
    assert set(item) == {"image", *labels} - {"points"} | set(samples.GROUPS["points"])


def test_attacks_can_be_batched():
    loader = DataLoader(
        small(preset="antispoof", people=1, images=6, labels=("live", "points5", "pose")), 6
    )
    (batch,) = loader
    assert batch["points5"].shape == (6, 5, 2)
    assert batch["pose"].shape == (6, 3)
    assert set(batch["live"].tolist()) <= {0, 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ("mood",)},
        {"images": 0},
        {"people": 0},
        {"preset": "video"},
        {"preset": "nothing"},
        {"part": (2, 2)},
        {"size": 3},
    ],
)
def test_wrong_wishes_are_refused(wrong):
    with pytest.raises(ChoiceError):
        small(**wrong)


# Packs


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    options = Options("parsing", 5, 32)
    write_pack(folder, samples.keys(2, 2), partial(sample, options), vars(options), 2)
    return folder


def test_packs_give_what_the_world_gives(packed):
    labels = ("identity", "parsing", "alpha", "image_number", "age")
    pack, world = PackDataset(packed, labels), small(preset="parsing", people=2, labels=labels)
    assert len(pack) == 4
    assert pack.keys == samples.keys(2, 2)
    for index, place in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        here = pack[index]
        there = world[next(i for i in range(4) if world.place(i) == place)]
        assert set(here) == set(there)
        for name in here:
            assert here[name].dtype == there[name].dtype
            assert torch.allclose(here[name], there[name], atol=0.003 if name == "alpha" else 1e-5)


def test_packs_with_workers_and_shuffled(packed):
    loader = DataLoader(PackDataset(packed), 2, shuffle=True, num_workers=1)
    found = sorted(int(n) for batch in loader for n in batch["identity"])
    assert found == [0, 0, 1, 1]


def test_packs_with_arrays(tmp_path):
    options = Options("landmarks", 5, 32)
    write_pack(tmp_path, samples.keys(1, 1), partial(sample, options), vars(options))
    item = PackDataset(tmp_path, ("points",))[0]
    assert torch.equal(item["points478"], torch.from_numpy(take(options, 0, 0).arrays["points478"]))
    with pytest.raises(ChoiceError, match="depth"):
        PackDataset(tmp_path, ("depth",))[0]


def test_unfit_folders_are_named(packed, tmp_path):
    with pytest.raises(FusiformError, match="is no pack"):
        PackDataset(tmp_path)
    (tmp_path / MANIFEST).write_text('{"shards": {}}')
    with pytest.raises(FusiformError, match="not finished"):
        PackDataset(tmp_path)
    (tmp_path / MANIFEST).write_text('{"shards": {"shard-000000.tar": {}}, "digest": "x"}')
    with pytest.raises(FusiformError, match="cannot be read"):
        PackDataset(tmp_path)
    assert isinstance(PackDataset(packed).photo(0), Photo)
