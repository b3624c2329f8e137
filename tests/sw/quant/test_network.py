"""What a network computes while it is trained; that its integers follow it is in ``test_lower.py``."""

import pytest
import torch

from sw.graph.graph import TensorType
from sw.models import build
from sw.quant.network import QuantNetwork
from sw.quant.noise import Noise
from sw.quant.recipe import Quantize
from tests.support.steps import step_ratio
from tests.sw.quant.records import profile

PIXELS = TensorType(shape=(8, 8, 1), scale=1 / 255, zero_point=-128)


def network(name="dscnn", bits=8, kind=PIXELS, seed=1, size=8, options=None):
    """With settled ranges and statistics."""
    net = QuantNetwork(build(name, kind.shape, 10, seed=seed), kind, bits, torch.Generator().manual_seed(1), options)
    with torch.no_grad():
        for _ in range(20):
            net(images(size=size) * (kind.scale / PIXELS.scale))
    return net


def images(count=16, seed=2, size=8):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["mlp", "dscnn", "resnet8"])
def test_every_parameter_gets_a_gradient(name):
    net = network(name).train()
    net(images()).square().mean().backward()
    assert [name for name, one in net.named_parameters() if one.grad is None or not one.grad.abs().sum()] == []


def test_the_same_seed_gives_the_same_network():
    one, other = network(), network()
    assert torch.equal(one(images()), other(images()))
    assert not torch.equal(one.eval()(images()), network(seed=2).eval()(images()))


def test_a_network_does_not_change_what_it_was_made_of():
    traced = build("dscnn", (8, 8, 1), 10)
    before = traced.digest
    net = QuantNetwork(traced, PIXELS, 8, torch.Generator())
    net(images()).sum().backward()
    torch.optim.Adam(net.parameters(), lr=1.0).step()
    del traced.__dict__["digest"]
    assert traced.digest == before


def test_the_scale_of_the_input_changes_nothing():
    kind = TensorType(shape=(8, 8, 1), scale=40 / 255, zero_point=-128)
    assert torch.allclose(network().eval()(images()), network(kind=kind).eval()(40 * images()), atol=1e-4)


def test_noise_is_only_in_layers_as_wide_as_it_and_a_silent_one_nowhere():
    net = network(bits=8).eval()
    quiet = net(images())
    noises = {(name, bits): Noise(profile(name, bits), torch.Generator().manual_seed(3))
              for name, bits in (("trunc", 8), ("trunc", 4), ("dsp", 8))}
    for key, changes in ((("trunc", 8), True), (("trunc", 4), False), (("dsp", 8), False)):
        net.add_noise(noises[key])
        assert torch.equal(net(images()), quiet) != changes, key
    net.add_noise(None)
    assert torch.equal(net(images()), quiet)


def test_layers_have_the_bits_that_the_options_name():
    net = network(bits=2, options=Quantize(layers={"*classifier": 8}))
    assert [layer.bits for layer in net.products] == [2] * 7 + [8] and net.narrowest == 2
    assert not torch.equal(net.eval()(images()), network(bits=2).eval()(images()))


@pytest.mark.parametrize("bits", [8, 2])
@pytest.mark.parametrize("name", ["mlp", "dscnn", "resnet8"])
def test_steps_that_are_learned_begin_as_they_were_and_get_a_gradient(name, bits):
    net = network(name, bits).eval()
    before = net(images())
    net.learn_steps()
    assert torch.allclose(net(images()), before, atol=1e-5)
    net.train()(images()).square().mean().backward()
    learned = {name: one.grad for name, one in net.named_parameters() if name.endswith((".factor", ".reach"))}
    assert all(grad is not None and grad.abs().sum() > 0 for grad in learned.values())
    assert len([name for name in learned if name.endswith("factor")]) == len(net.products)
    with torch.no_grad():
        for name, one in net.named_parameters():
            if name in learned:
                one -= 0.1 * one.grad.sign()
    assert not torch.allclose(net.eval()(images()), before, atol=1e-3)


def test_4_bits_of_activations_are_those_of_every_signal():
    net = network("resnet8", options=Quantize(act_bits=4)).eval()
    assert net.input.bits == 4
    for signal in net.signals(images()):
        steps = (signal.value / signal.scale).round() + signal.zero_point
        assert -8 <= steps.min() and steps.max() <= 7


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 28])
@pytest.mark.parametrize("bits, options", [
    (8, None), (4, None), (2, None), (1, None), (2, Quantize(step_size="learned")), (4, Quantize(act_bits=4))])
def test_an_aware_step_takes_half_as_long_again_as_a_float_step_at_most(bits, options, size):
    """1.3 times on 8x8 pixels and 1.2 on 28x28; a step of the plain module takes as long as a float step or longer.

    Where both roundings of the requantizer are computed, 1.6 on 8x8: small operators on each layer's channels hold it.
    """
    kind = TensorType(shape=(size, size, 1), scale=1 / 255, zero_point=-128)
    aware, real = (network(bits=bits, kind=kind, size=size, options=options) for _ in range(2))
    real.become(quantized=False)
    if aware.options.step_size == "learned":
        aware.learn_steps()
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (128,), generator=generator)
    coarse = bits <= 2 or aware.act_bits < 8
    assert step_ratio(aware, real, images(128, size=size), labels) <= (1.75 if size == 8 and coarse else 1.5)
