
import numpy as np
import pytest
import torch

from sw.data.augment import Noise, Shift
from sw.quant.batches import augmented, batches, images_of, rate


def test_a_pass_goes_once_through_the_data_in_another_order_each():
    walk = batches(1257, 128, torch.Generator().manual_seed(0))
    first, second = (torch.cat([next(walk) for _ in range(10)]) for _ in range(2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(1257))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("count, batch, sizes", [(1257, 128, {125, 126}), (257, 128, {128, 129}), (3, 2, {3}),
                                                 (36, 128, {36}), (4, 2, {2}), (2, 2, {2})])
def test_a_batch_is_as_asked_or_nearly_and_has_two_inputs_at_least(count, batch, sizes):
    walk = batches(count, batch, torch.Generator().manual_seed(0))
    assert {len(next(walk)) for _ in range(40)} == sizes


def test_changes_are_made_in_their_order():
    images = torch.rand(8, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    shift, noise = Shift(rows=1, columns=1), Noise(share=0.1)
    generator = torch.Generator().manual_seed(0)
    expected = noise(shift(images, generator), generator)
    assert torch.equal(augmented(images, (shift, noise), torch.Generator().manual_seed(0)), expected)
    assert not torch.equal(augmented(images, (noise, shift), torch.Generator().manual_seed(0)), expected)
    assert augmented(images, (), torch.Generator()) is images


def test_images_are_real_values_with_channels_first(digits):
    images = images_of(digits, "valid")
    assert images.shape == (180, 1, 8, 8) and images.dtype == torch.float32
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), digits.real("valid"))


def test_data_that_are_read_only_stay_as_they_are(digits):
    before = digits.real("valid").copy()
    images_of(digits, "valid").add_(1)
    assert np.array_equal(digits.real("valid"), before)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(schedule):
    rates = [rate(step / 1000, 0.02, schedule, 0.1) for step in range(1001)]
    peak = rates.index(max(rates))
    assert 89 <= peak <= 101 and max(rates) == pytest.approx(0.02)
    assert rates[0] > 0 and rates[-1] == pytest.approx(0, abs=1e-12)
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:], reverse=True)


def test_a_constant_rate_stays_and_no_warm_up_starts_at_the_peak():
    assert {rate(step / 100, 0.5, "constant", 0.0) for step in range(100)} == {0.5}
    assert rate(0.0, 0.5, "cosine", 0.0) == 0.5
