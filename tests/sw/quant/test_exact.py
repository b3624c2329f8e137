import numpy as np
import pytest
import torch
from torch import nn

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product_table
from sw import golden
from sw.graph.layer import WEIGHTED
from sw.quant.exact import MOST_TERMS, Exact, factors
from sw.quant.lower import lower
from sw.quant.product import Signal
from tests.sw.quant.modules import ALONE, images_of, network_of, norm

CASES = [("trunc", 8), ("broken", 8), ("underdesigned", 8), ("mitchell", 8), ("mitchell", 4), ("broken", 4)]
WITH_PRODUCTS = [name for name in ALONE if name.startswith(("conv", "depthwise", "linear", "norm"))]


def errors(name, bits):
    half = 1 << bits - 1
    return np.array(product_table(MULTIPLIERS[name], bits)) - np.outer(range(-128, 128), range(-half, half))


@pytest.mark.parametrize("name, bits, terms", [("trunc", 8, 6), ("trunc", 4, 2), ("broken", 8, 5), ("broken", 4, 2),
                                               ("underdesigned", 8, 1), ("mitchell", 4, 3)])
def test_a_table_of_few_terms_is_found(name, bits, terms):
    found = factors(errors(name, bits))
    assert found.weights.shape == (terms, 1 << bits) and (found.acts @ found.weights == errors(name, bits)).all()


def test_the_terms_of_truncation_are_the_bits_of_an_activation():
    found = factors(errors("trunc", 8))
    acts = np.arange(-128, 128)
    assert sorted(found.acts.T.tolist()) == sorted((acts >> bit & 1).tolist() for bit in range(6))


@pytest.mark.parametrize("seed", range(4))
def test_random_terms_are_found_where_they_are_rows(seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(-3, 4, (256, 3)) @ rng.integers(-50, 51, (3, 16))
    table[:3] = rng.integers(-50, 51, (3, 16))
    whole = np.vstack([np.eye(3, dtype=int), rng.integers(-3, 4, (253, 3))]) @ table[:3]
    found = factors(whole)
    assert found is not None and (found.acts @ found.weights == whole).all()


def test_a_table_of_many_terms_has_none():
    assert factors(errors("mitchell", 8)) is None
    assert factors(np.random.default_rng(0).integers(-99, 100, (256, 16))) is None
    assert factors(np.eye(256, 16, dtype=int), most=16).weights.shape == (16, 16)
    assert factors(np.eye(256, 16, dtype=int)) is None and MOST_TERMS < 16


def erring(name, bits, case, monkeypatch, *, gathers=False, seed=1):
    """A network of one module with the errors, what its first sums were, and the graph."""
    image, make = ALONE[case]
    torch.manual_seed(seed)
    network = network_of(make(), image, bits=bits, scale=0.3, zero_point=-20)
    exact, seen = Exact(name, bits), []
    if gathers:
        exact.factors = None
    added = exact.added

    def kept(layer, taken, weights, total):
        seen.append((layer, taken, added(layer, taken, weights, total)))
        return seen[-1][2]

    monkeypatch.setattr(exact, "added", kept)
    network.add_noise(exact)
    return network, seen, lower(network, "alone")


@pytest.mark.parametrize("gathers", [False, True], ids=["factors", "gathered"])
@pytest.mark.parametrize("case", WITH_PRODUCTS)
@pytest.mark.parametrize("name, bits", CASES[::3] + CASES[5:])
def test_sums_are_those_of_golden_bit_for_bit(name, bits, case, gathers, monkeypatch):
    network, seen, graph = erring(name, bits, case, monkeypatch, gathers=gathers)
    design = DesignPoint(multiplier=name, weight_bits=bits, lanes=8)
    images = images_of(6, torch.Generator().manual_seed(9), graph.input)
    with torch.no_grad():
        network.eval()(images)
    layer, taken, total = seen[0]
    index = next(index for index, one in enumerate(graph.layers) if one.op in WEIGHTED)
    lowered, kind = graph.layers[index], graph.taken(index)[0]
    real = images.numpy().transpose(0, 2, 3, 1) / graph.input.scale
    inputs = np.clip(np.rint(real) + graph.input.zero_point, -128, 127).astype(np.int8)
    tensors = golden.run(graph, inputs, design)
    data = tensors[graph.inputs_of(index)[0]].reshape(-1, *kind.shape)
    weights = lowered.weights.astype(int)
    each = weights.sum((0, 1)) if lowered.op == "depthwise" else weights.reshape(len(weights), -1).sum(1)
    wanted = golden.accumulate(lowered, kind, data, design) - kind.zero_point * each
    plain = golden.accumulate(lowered, kind, data) - kind.zero_point * each
    sign = torch.where(layer.gain(taken.scale) < 0, -1.0, 1.0)
    found = ((total / taken.scale).movedim(1, -1) * sign).numpy().reshape(wanted.shape)
    assert np.abs(found - np.rint(found)).max() < 0.1
    assert np.array_equal(np.rint(found), wanted)
    assert not np.array_equal(wanted, plain) or (name == "mitchell" and set(np.abs(weights).flat) == {1})


@pytest.mark.parametrize("gathers", [False, True], ids=["factors", "gathered"])
def test_sums_do_not_depend_on_how_many_are_made_at_a_time(gathers, monkeypatch):
    """One image at a time, against all."""
    found = []
    for most in (1, 1 << 20):
        monkeypatch.setattr("sw.quant.exact.MOST_PLACES", most)
        network, seen, graph = erring("broken", 8, "conv groups", monkeypatch, gathers=gathers)
        with torch.no_grad():
            network.eval()(images_of(6, torch.Generator().manual_seed(9), graph.input))
        found.append(seen[0][2])
    assert torch.equal(*found)


@pytest.mark.parametrize("case", WITH_PRODUCTS)
def test_gradients_along_slopes_are_those_of_products_of_slopes(case):
    """As autograd has them."""
    torch.manual_seed(0)
    image, make = ALONE[case]
    network = network_of(make(), image)
    layer, rng = network.products[0], torch.Generator().manual_seed(1)
    seen = []
    layer.register_forward_pre_hook(lambda module, taken: seen.append(taken[0].value))
    network(images_of(3, rng, network.input))
    value = torch.randn(seen[0].shape, generator=rng, requires_grad=True)
    weight = torch.randn(layer.kernel().shape, generator=rng, requires_grad=layer.weight is not None)
    total = layer.products(value, weight)
    gradient = torch.randn(total.shape, generator=rng)
    wanted = torch.autograd.grad(total, [value, weight][:1 + weight.requires_grad], gradient)
    found = layer.gradients(gradient, value.detach(), weight.detach())
    assert (found[1] is None) is (layer.weight is None)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(found, wanted, strict=False))


@pytest.mark.parametrize("name, bits", CASES)
def test_answers_are_those_of_golden_but_for_roundings(name, bits):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, bias=False), norm(nn.BatchNorm2d, 8), nn.ReLU(),
                           nn.Conv2d(8, 8, 3, groups=8, bias=False), norm(nn.BatchNorm2d, 8), nn.ReLU(), nn.Flatten(),
                           nn.Linear(8 * 3 * 4, 5))
    network = network_of(module, (5, 6, 4), bits=bits)
    network.add_noise(Exact(name, bits))
    graph, design = lower(network, "net"), DesignPoint(multiplier=name, weight_bits=bits, lanes=8)
    images = images_of(20, torch.Generator().manual_seed(3), graph.input)
    inputs = np.clip(np.rint(images.numpy().transpose(0, 2, 3, 1) / graph.input.scale) + graph.input.zero_point, -128,
                     127).astype(np.int8)
    with torch.no_grad():
        given = network.eval()(images).numpy() / graph.types()[-1].scale + graph.types()[-1].zero_point
    erring, plain = (golden.run(graph, inputs, one)[-1].reshape(20, 5) for one in (design, None))
    assert np.abs(given - erring).mean() < 0.7 < np.abs(given - plain).mean()


def test_an_exact_multiplier_is_silent():
    assert Exact("lut", 8).silent and not Exact("trunc", 8).silent


def test_the_gradient_goes_straight_through_or_follows_the_slope():
    torch.manual_seed(0)
    network = network_of(nn.Sequential(nn.Conv2d(2, 3, 3, padding=1)), (4, 4, 2))
    images = images_of(3, torch.Generator().manual_seed(1), network.input)

    def found(exact):
        layer = network.products[0]
        weights, value = layer.integers(layer.scales()), images.clone().requires_grad_()
        total = layer.products(value, weights)
        taken = Signal(value, network.unit.scale, network.unit.zero_point)
        given = total if exact is None else exact.added(layer, taken, weights, total)
        return given.detach(), torch.autograd.grad(given.sum(), [value, layer.weight])

    plain, straight, slope = (found(exact) for exact in (None, Exact("broken", 8), Exact("broken", 8, "slope")))
    assert torch.allclose(straight[0], slope[0], atol=1e-4) and not torch.allclose(straight[0], plain[0], atol=1)
    assert all(torch.equal(one, other) for one, other in zip(straight[1], plain[1], strict=True))
    assert not any(torch.allclose(one, other) for one, other in zip(slope[1], plain[1], strict=True))


def test_the_slope_of_exact_products_is_the_other_operand():
    exact = Exact("lut", 8)
    assert torch.allclose(exact.slope_along_act, torch.arange(-128.0, 128.0), atol=1e-3)
    assert torch.allclose(exact.slope_along_weight, torch.arange(-128.0, 128.0), atol=1e-3)


def test_a_weight_that_the_array_breaks_off_has_no_slope():
    """Its two lowest bits are in rows that are left out."""
    assert not Exact("broken", 8).slope_along_act[[128, 129, 130, 131]].any()
