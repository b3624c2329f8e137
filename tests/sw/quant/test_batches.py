from dataclasses import replace

import numpy as np
import pytest
import torch

from sw.data.augment import Noise, Shift
from sw.quant import TrainConfig
from sw.quant.batches import WARM_UP, augmented, batches, images_of, rate


def test_an_epoch_walks_through_the_data(digits):
    walk = batches(digits, TrainConfig(epoch_images=500, batch=128), torch.Generator().manual_seed(0))
    epochs = [torch.cat(next(walk)) for _ in range(4)]
    assert [len(epoch) for epoch in epochs] == [500, 500, 257, 500]
    assert sorted(torch.cat(epochs[:3]).tolist()) == list(range(1257))


def test_a_batch_has_two_inputs_at_least(digits):
    few = replace(digits, inputs={**digits.inputs, "train": digits.inputs["train"][:257]},
                  labels={**digits.labels, "train": digits.labels["train"][:257]})
    walk = batches(few, TrainConfig(epoch_images=256, batch=128), torch.Generator().manual_seed(0))
    assert [[len(part) for part in next(walk)] for _ in range(3)] == [[128, 128]] * 3
    walk = batches(few, TrainConfig(batch=128), torch.Generator().manual_seed(0))
    for _ in range(2):
        parts = next(walk)
        assert [len(part) for part in parts] == [128, 129]
        assert sorted(torch.cat(parts).tolist()) == list(range(257))


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


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    rates = [rate(step / 1000, 0.02) for step in range(1001)]
    peak = rates.index(max(rates))
    assert peak == pytest.approx(1000 * WARM_UP, abs=1) and max(rates) == pytest.approx(0.02, rel=0.1)
    assert rates[0] > 0 and rates[-1] == pytest.approx(0, abs=1e-12)
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:], reverse=True)
