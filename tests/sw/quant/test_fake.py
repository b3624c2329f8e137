import pytest
import torch

from sw.quant.fake import EVERY, Range, ends, fake_activations


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


@pytest.mark.parametrize("bits", [8, 4])
def test_the_gradient_is_that_of_torchs_own(bits):
    generator = torch.Generator().manual_seed(2)
    value, gradient = torch.randn(2, 1000, generator=generator)
    one, other = (value.clone().requires_grad_() for _ in range(2))
    fake_activations(one, 0.013, 5, bits).backward(gradient)
    torch.fake_quantize_per_tensor_affine(other, 0.013, 5, *ends(bits)).backward(gradient)
    assert torch.equal(one.grad, other.grad) and not one.grad.all()


def test_a_learned_range_moves_to_where_the_error_is_least():
    """Its gradient is that of the error for the logarithm of its scale."""
    value = torch.randn(4000, 1, generator=torch.Generator().manual_seed(4))
    errors = {}
    seen = Range(bits=4)
    seen.observe(value)
    seen.low, seen.high, seen.factor = -4.0, 4.0, torch.nn.Parameter(torch.zeros(()))
    for step in range(200):
        error = (seen.fake(value) - value).square().mean()
        error.backward()
        errors[step] = error.item()
        with torch.no_grad():
            seen.factor -= 30 * seen.factor.grad
        seen.factor.grad = None
    assert errors[199] < 0.8 * errors[0] and 0.5 < float(seen.factor.detach().exp()) < 0.8
    before = seen.low, seen.high
    seen.observe(100 * value)
    assert (seen.low, seen.high) == before, "it sees nothing more"


def test_a_learned_range_falls_where_only_saturated_values_have_a_gradient_that_says_so():
    seen, value = Range(0.0, bits=4), torch.tensor([[0.5], [30.0]], requires_grad=True)
    seen.low, seen.high, seen.factor = 0.0, 15.0, torch.nn.Parameter(torch.zeros(()))
    seen.fake(value).backward(torch.tensor([[0.0], [1.0]]))
    assert float(seen.factor.grad) == pytest.approx(15.0 / 15 ** 0.5) and value.grad.tolist() == [[0.0], [0.0]]


def test_a_narrow_range_has_the_least_squared_error_and_looks_at_some_batches_only():
    value = torch.randn(4000, generator=torch.Generator().manual_seed(5))
    wide, narrow = Range(), Range(bits=4)
    for seen in (wide, narrow):
        seen.observe(value)
    assert (wide.low, wide.high) == (value.min().item(), value.max().item())
    assert narrow.limits == (-8, 7) and -8 <= narrow.zero_point <= 7
    extremes = Range(bits=4)
    extremes.low, extremes.high = wide.low, wide.high
    errors = [float((seen.fake(value) - value).square().mean()) for seen in (narrow, extremes)]
    assert errors[0] < 0.9 * errors[1]
    before = narrow.high
    for _ in range(EVERY - 1):
        narrow.observe(3 * value)
    assert narrow.high == before
    narrow.observe(3 * value)
    assert narrow.high > before


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
