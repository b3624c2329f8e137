import pytest
import torch

from sw.quant.weights import fake_integers, weight_limit, weight_scale


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
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
        assert len(integers.unique()) == (2 if bits == 1 else 2 * limit + 1)
    if bits == 8:
        assert (integers * scale[:, None, None, None] - weight).abs().max() <= scale.max() / 2 * 1.001


def test_binary_weights_are_never_0():
    assert fake_integers(torch.tensor([[0.0, -0.0, -1e-9, 2.0]]), torch.ones(1), 1).tolist() == [[1, 1, -1, 1]]


@pytest.mark.parametrize("bits, passed", [(2, [1.0, 1.0, 0.0, 0.0]), (1, [1.0, 1.0, 0.0, 0.0])])
def test_the_gradient_passes_where_weights_do_not_saturate(bits, passed):
    weight = torch.tensor([[0.2, -0.9, 3.0, -5.0]], requires_grad=True)
    fake_integers(weight, torch.tensor([1.0]), bits).sum().backward()
    assert weight.grad.tolist() == [passed]


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_gradient_of_the_scale_is_that_of_a_learned_step(bits):
    """Of Esser et al., for what the weights stand for: the rounded steps, less where the weight is inside of them."""
    generator = torch.Generator().manual_seed(1)
    weight, gradient = torch.randn(2, 3, 50, generator=generator)
    scale = (weight.abs().amax(1) / weight_limit(bits) * 0.5).requires_grad_()
    integers = fake_integers(weight, scale, bits)
    (integers * scale[:, None]).backward(gradient)
    steps = (weight / scale[:, None]).detach()
    inside = steps.abs() <= weight_limit(bits) + 0.5
    wanted = gradient * torch.where(inside, steps.round() - steps, steps.sign() * weight_limit(bits))
    assert torch.allclose(scale.grad, wanted.sum(1), rtol=1e-4, atol=1e-4) and not inside.all()
