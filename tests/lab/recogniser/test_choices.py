"""Every network with every loss: shapes, gradients; and what no recipe may ask for."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.recogniser.choices import LOSSES, NETS, Recipe  # noqa: E402


@pytest.mark.parametrize("net", NETS)
def test_networks_give_features_at_any_size(net):
    for size in (32, 48):
        features = NETS[net].make(size, 24).eval()(torch.zeros(2, 3, size, size))
        assert features.shape == (2, 24)


@pytest.mark.parametrize("name", NETS)
def test_every_network_can_be_exported_and_shrunk(name):
    pytest.importorskip("onnx", reason="onnx is not installed")
    from fusiform.lab.train.export import check, cosines, runner, to_int8, to_onnx

    torch.manual_seed(0)
    net = NETS[name].make(32, 16).eval()
    crops = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    model = to_onnx(net, 32)
    assert check(model, net, crops) > 0.99999
    assert cosines(runner(to_int8(model, crops))(crops), runner(model)(crops)).min() > 0.9


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_train_network_and_prototypes(loss):
    recipe = Recipe(loss=loss, size=32, dim=16)
    net, objective = recipe.network(), recipe.objective(classes=5)
    batch = {"image": torch.randn(6, 3, 32, 32), "label": torch.tensor([0, 1, 2, 3, 4, 0])}
    value, _ = objective(net, batch)
    value.backward()
    assert torch.isfinite(value)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())


def test_margin_and_scale_are_the_usual_ones_or_those_asked_for():
    usual = Recipe(loss="arcface").objective(3).head
    asked = Recipe(loss="arcface", scale=64).objective(3).head
    assert (usual.scale, asked.scale) == (32, 64)
    features, labels = torch.randn(4, 128), torch.tensor([0, 1, 2, 0])
    torch.manual_seed(0)
    soft = Recipe(loss="softmax").objective(3).head
    torch.manual_seed(0)
    none = Recipe(loss="cosface", margin=0).objective(3).head
    assert torch.allclose(soft(features, labels), none(features, labels))


@pytest.mark.parametrize("loss", ["softmax", "cosface", "arcface", "adaface"])
def test_a_step_may_see_some_people_alone(loss):
    torch.manual_seed(0)
    features, labels = torch.randn(6, 16, requires_grad=True), torch.tensor([0, 1, 2, 3, 4, 0])
    whole = Recipe(loss=loss, dim=16).objective(5).head
    every = Recipe(loss=loss, dim=16, sample=1).objective(5).head
    every.load_state_dict(whole.state_dict(), strict=False)
    assert torch.allclose(every(features, labels), whole(features, labels))
    some = Recipe(loss=loss, dim=16, sample=0.2).objective(50).head
    some(features, labels).backward()
    assert len(some.weight.grad.coalesce().indices()[0]) == 10


def test_what_is_usual_can_be_stated():
    told = Recipe(loss="arcface", scale=64).stated()
    assert (told.margin, told.scale, told.rate) == (0.5, 64, 0.1)
    assert told.stated() == told


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"net": "resnet-x"}, "net must be one of 'resnet-s', .* Got 'resnet-x'"),
        ({"loss": "tripled"}, "loss must be one of 'softmax', .*adaface"),
        ({"loss": "softmax", "margin": 0.3}, "margin must be left out: softmax has none"),
        ({"optimiser": "lion"}, "optimiser must be one of"),
        ({"precision": "int8"}, "precision must be one of"),
        ({"augment": "much"}, "augment must be one of"),
        ({"size": 8}, "size must be 32 to 512"),
        ({"dim": 1}, "dim must be 2 to"),
        ({"batch": 1}, "batch must be 2 to"),
        ({"val": 1.0}, "val must be 0 to 0.9"),
        ({"margin": -0.1}, "margin must be 0 to 2"),
        ({"rate": 0.0}, "rate must be above 0"),
        ({"steps": 0}, "steps must be above 0"),
        ({"epochs": float("nan")}, "epochs must be above 0"),
        ({"scale": -1.0}, "scale must be above 0"),
        ({"sample": 0.0}, "sample must be above 0 to 1, with softmax, cosface, arcface, adaface"),
        ({"sample": 0.5, "loss": "triplet"}, "sample must be above 0 to 1, with softmax"),
        ({"average": -1.0}, "average must be 0 to"),
    ],
)
def test_senseless_recipes_are_one_sentence(asked, told):
    with pytest.raises(ChoiceError, match=told):
        Recipe(**asked)


def test_steps_are_batches_of_all_epochs():
    assert Recipe(epochs=20, batch=128).steps_for(2160) == 338  # 20 * 2160 / 128 = 337.5
    assert Recipe(epochs=20, steps=7).steps_for(2160) == 7
    assert Recipe(epochs=0.001).steps_for(1) == 1
