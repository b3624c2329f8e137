import pytest
import torch

from sw.quant.fake import Range, fake_activations, fake_integers, weight_limit, weight_scale


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_use_their_range(bits, per_channel):
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    weight *= torch.arange(1, 7)[:, None, None, None]
    scale = weight_scale(weight, bits, per_channel)
    integers = fake_integers(weight, scale, bits)
    limit = weight_limit(bits)
    assert torch.equal(integers, integers.round())
    assert integers.abs().max() == limit
    assert len(set(scale.tolist())) == (6 if per_channel else 1)
    if bits < 8:
        assert len(integers.unique()) == 2 * limit + 1
    if bits == 8:
        assert (integers * scale[:, None, None, None] - weight).abs().max() <= scale.max() / 2 * 1.001


def test_the_gradient_passes_where_weights_do_not_saturate():
    weight = torch.tensor([[0.2, -0.9, 3.0, -5.0]], requires_grad=True)
    fake_integers(weight, torch.tensor([1.0]), 2).sum().backward()
    assert weight.grad.tolist() == [[1.0, 1.0, 0.0, 0.0]]


def test_activations_round_clamp_and_pass_the_gradient_inside():
    value = torch.tensor([-1.0, 0.0, 0.26, 0.74, 127.5, 200.0], requires_grad=True)
    faked = fake_activations(value, 0.5, -128)
    faked.sum().backward()
    assert faked.tolist() == [0.0, 0.0, 0.5, 0.5, 127.5, 127.5]
    assert value.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]


def test_fake_activations_equal_torchs_own():
    value = torch.randn(1000, generator=torch.Generator().manual_seed(1)) * 3
    for scale, zero in ((0.031, -128), (0.013, 17)):
        assert torch.equal(fake_activations(value, scale, zero),
                           torch.fake_quantize_per_tensor_affine(value, scale, zero, -128, 127))


@pytest.mark.parametrize("low, high", [(-128, 127), (-100, 90)])
def test_the_gradient_is_that_of_torchs_own(low, high):
    generator = torch.Generator().manual_seed(2)
    value, gradient = torch.randn(2, 1000, generator=generator)
    one, other = (value.clone().requires_grad_() for _ in range(2))
    fake_activations(one, 0.013, 17, low, high).backward(gradient)
    torch.fake_quantize_per_tensor_affine(other, 0.013, 17, low, high).backward(gradient)
    assert torch.equal(one.grad, other.grad) and not one.grad.all()


def test_a_range_follows_what_it_sees():
    relu, both = Range(0.0), Range()
    for _ in range(100):
        for seen in (relu, both):
            seen.observe(torch.tensor([-1.0, 0.5, 3.0]))
    assert (relu.low, relu.zero_point) == (0.0, -128)
    assert relu.scale == pytest.approx(3 / 255)
    assert both.scale == pytest.approx(4 / 255)
    assert both.zero_point == -64


def test_a_range_widens_to_its_floor():
    seen = Range(0.0)
    seen.observe(torch.tensor([0.0, 2.55]))
    seen.floor = 0.5
    assert seen.scale == 0.5


def test_a_range_stays_within_its_bounds():
    """As TFLite's fused RELU6: the type ends at 6, or cuts there where something else widens it."""
    seen = Range(0.0, 6.0)
    seen.observe(torch.tensor([-1.0, 9.0]))
    assert seen.scale == pytest.approx(6 / 255) and seen.limits == (-128, 127)
    seen.floor = 0.1
    assert seen.limits == (-128, -68)
    assert seen.fake(torch.tensor([-1.0, 3.0, 9.0])).tolist() == pytest.approx([0.0, 3.0, 6.0])


def test_joined_ranges_have_one_type_that_holds_all():
    first, second, third = Range(0.0), Range(), Range()
    second.join(third)
    first.join(second)
    for one, value in ((first, 3.0), (second, -1.0), (third, 0.5)):
        one.observe(torch.tensor([value]))
    assert len({(one.scale, one.zero_point) for one in (first, second, third)}) == 1
    assert third.scale == pytest.approx(4 / 255) and third.zero_point == -64
    assert first.limits == (-64, 127) and second.limits == (-128, 127)
    first.floor = 0.5
    assert second.scale == 0.5
