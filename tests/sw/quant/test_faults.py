"""Errors of hardware in the forward pass do what ``sw.golden.faults`` does to the integer graph."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hw.spec.faults import Accumulator, AnalogArray, BitFlips, Faults
from sw.golden.faults import Device
from sw.quant.faults import Errors
from sw.quant.lower import lower
from tests.sw.quant.modules import images_of
from tests.sw.quant.test_lower import settled

FLIPS = BitFlips(rate=0.02)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def both(name, faults, *, bits=8, devices=1, count=40):
    """Outputs in steps of the network's last layer: in training's forward pass, and of the graph on devices."""
    network = settled(name, bits, width=0.5)
    graph = lower(network, name)
    images = images_of(count, generator(9), graph.input)
    given = ((images / graph.input.scale).round() + graph.input.zero_point).clamp(-128, 127)
    inputs = given.permute(0, 2, 3, 1).numpy().astype(np.int8)
    errors = Errors(faults, generator())
    network.add_errors(errors)
    with torch.no_grad():
        found = np.stack([(network(images) / graph.output.scale).numpy() + graph.output.zero_point
                          for _ in range(devices)])
    network.add_errors(None)
    wanted = np.stack([Device(graph, faults, seed).run(inputs).reshape(count, -1) for seed in range(devices)])
    exact = Device(graph, Faults(activations=BitFlips(rate=0.0)), 0).run(inputs).reshape(count, -1)
    return found, wanted.astype(float), exact.astype(float)


@pytest.mark.parametrize("name, bits, keep, overflow", [
    ("mlp", 8, 16, "wrap"), ("mlp", 8, 16, "saturate"), ("mlp", 2, 10, "wrap"), ("mlp", 2, 10, "saturate"),
    ("dscnn", 8, 15, "saturate"), ("dscnn", 8, 17, "wrap")])
def test_narrow_accumulators_are_those_of_the_graph(name, bits, keep, overflow):
    found, wanted, exact = both(name, Faults(accumulator=Accumulator(bits=keep, overflow=overflow)), bits=bits)
    apart = np.abs(found - wanted)
    assert np.quantile(apart, 0.9) <= 2, "roundings differ by a step here and there, and turn over rarely"
    assert np.abs(wanted - exact).max() > 20, "the accumulator is too wide to err"


@pytest.mark.parametrize("faults", [Faults(weights=FLIPS), Faults(activations=FLIPS),
                                    Faults(array=AnalogArray(seconds=86_400.0)),
                                    Faults(array=AnalogArray(seconds=86_400.0, adc_bits=4, dac_bits=4))])
@pytest.mark.parametrize("name", ["mlp", "dscnn"])
def test_random_errors_are_distributed_as_those_of_the_graph(name, faults):
    """Mean and deviation over devices, of every output."""
    devices = 60
    found, wanted, exact = both(name, faults, devices=devices, count=12)
    scale = wanted.std(0).mean()
    assert scale > 1 and np.abs(wanted - exact).max() > 5
    assert np.abs(found.mean(0) - wanted.mean(0)).mean() < 3 * scale / np.sqrt(devices)
    assert found.std(0).mean() == pytest.approx(scale, rel=0.12)


def test_the_zero_point_of_a_flipped_weight_counts():
    """Planted: without it the means agree and the deviations do not."""
    faults = Faults(weights=FLIPS)
    _, wanted, _ = both("mlp", faults, devices=40, count=12)
    network = settled("mlp", 8, width=0.5)
    graph = lower(network, "mlp")
    errors = Errors(faults, generator())
    network.add_errors(errors)
    for layer in network.products:
        layer.errors = _Without(faults, generator())
    with torch.no_grad():
        images = images_of(12, generator(9), graph.input)
        found = np.stack([(network(images) / graph.output.scale).numpy() for _ in range(40)])
    assert found.std(0).mean() < 0.8 * wanted.std(0).mean()


class _Without(Errors):
    digital = False


@pytest.mark.parametrize("faults", [Faults(weights=FLIPS), Faults(activations=FLIPS),
                                    Faults(accumulator=Accumulator(bits=13, overflow="wrap")),
                                    Faults(array=AnalogArray(seconds=1.0, adc_bits=4, dac_bits=4))])
def test_gradients_pass(faults):
    network = settled("mlp", 8, width=0.5).train()
    network.add_errors(Errors(faults, generator()))
    network(images_of(32, generator(1), network.input)).square().mean().backward()
    assert all(torch.isfinite(layer.weight.grad).all() and layer.weight.grad.any() for layer in network.products)


def test_a_saturated_sum_has_no_gradient():
    errors = Errors(Faults(accumulator=Accumulator(bits=4, overflow="saturate")), generator())
    value = torch.tensor([[-20.0, -3.0, 3.0, 20.0]], requires_grad=True)
    errors.kept(value, torch.ones(4)).sum().backward()
    assert value.grad.tolist() == [[0, 1, 1, 0]]


def test_the_generator_decides_what_errs():
    network = settled("mlp", 8, width=0.5)
    images = images_of(8, generator(1), replace(network.input))
    found = []
    for seed in (1, 1, 2):
        network.add_errors(Errors(Faults(weights=FLIPS), generator(seed)))
        with torch.no_grad():
            found.append(network(images))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
