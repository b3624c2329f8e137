import subprocess
import sys

import pytest
import torch

from sw.data import DataError, augmentations_of
from sw.data.augment import AUGMENTATIONS, FrequencyMask, FrequencyShift, Noise, Shift, TimeMask, TimeShift

EVERY = (Shift(rows=1, columns=2), TimeShift(steps=2), Noise(share=0.5), TimeMask(most=2), FrequencyMask(most=2),
         FrequencyShift(channels=2))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("change", EVERY)
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 8, 8)])
def test_half_of_the_inputs_change_and_the_draw_is_the_generators(change, shape):
    images = torch.rand(400, *shape, generator=seeded(7)) + 1
    before = images.clone()
    seen = change(images, seeded())
    assert torch.equal(images, before)
    assert (seen.shape, seen.dtype) == (images.shape, torch.float32)
    same = (seen == images).flatten(1).all(1).float().mean()
    least = {"noise": 0.4}.get(change.name, 0.45)          # some are moved by 0, or nothing of them is hidden
    assert least < same < 0.85
    assert torch.equal(change(images, seeded()), seen)
    assert not torch.equal(change(images, seeded(1)), seen)


def test_images_move_by_at_most_the_shift():
    image = torch.zeros(200, 1, 5, 5)
    image[:, 0, 2, 2] = 1
    seen = Shift(rows=1, columns=1)(image, seeded())
    assert seen.sum() == 200
    assert seen[:, 0, 1:4, 1:4].sum() == 200
    assert 90 < seen[:, 0, 2, 2].sum() < 130
    assert len(seen.reshape(200, -1).argmax(1).unique()) == 9
    across = Shift(rows=0, columns=2)(image, seeded())
    assert across[:, 0, 2].sum() == 200
    assert len(across.reshape(200, -1).argmax(1).unique()) == 5
    assert Shift(rows=0, columns=0)(image, torch.Generator()) is image


@pytest.mark.parametrize("shape", [(2, 1, 9), (1, 9, 4)])
def test_time_is_the_row_of_a_sequence_and_the_rows_of_a_picture_of_a_sound(shape):
    axis = 3 if shape[1] == 1 else 2
    ramp = torch.arange(9.0).reshape(*(9 if each == axis else 1 for each in range(4))).expand(300, *shape)
    seen = TimeShift(steps=2)(ramp, seeded())
    moves = {tuple(one.select(axis - 1, 4).unique().tolist()) for one in seen}
    assert moves == {(2.0,), (3.0,), (4.0,), (5.0,), (6.0,)}
    assert (seen.select(axis, 0).amin(), seen.select(axis, 8).amax()) == (0, 8)      # held, and nothing comes round
    hidden = (TimeMask(most=3)(ramp + 1, seeded()) == 0)
    assert hidden.sum(axis).flatten(1).amax() == 3
    assert (hidden.sum(axis).flatten(1).amax(1) == hidden.sum(axis).flatten(1).amin(1)).all()   # of all channels


def test_a_sound_is_shifted_in_frequency_and_not_in_time():
    """Alike as a sequence and as a picture of a sound."""
    picture = torch.arange(7.0).expand(200, 1, 3, 7) + 10 * torch.arange(3.0)[:, None]
    seen = FrequencyShift(channels=2)(picture, seeded())
    assert {tuple(one[0, 0].tolist()) for one in seen} == {
        tuple(float(min(max(step + by, 0), 6)) for step in range(7)) for by in (-2, -1, 0, 1, 2)}
    assert torch.equal(seen[:, 0, 1] - seen[:, 0, 0], torch.full((200, 7), 10.0))
    sequence = FrequencyShift(channels=2)(picture.permute(0, 3, 1, 2), seeded())
    assert {tuple(one.flatten().tolist()) for one in sequence.permute(0, 2, 3, 1)} == {
        tuple(one.flatten().tolist()) for one in seen}


def test_frequencies_are_channels_of_a_sequence_and_columns_of_a_picture_of_a_sound():
    sequence = FrequencyMask(most=3)(torch.ones(200, 6, 1, 5), seeded()) == 0
    assert set(sequence.all(3).all(2).sum(1).tolist()) == {0, 1, 2, 3}
    assert (sequence.any(3) == sequence.all(3)).all()
    picture = FrequencyMask(most=2)(torch.ones(200, 1, 5, 6), seeded()) == 0
    assert set(picture.all(2).sum((1, 2)).tolist()) == {0, 1, 2}


def test_noise_is_a_share_of_the_inputs_own_deviation():
    images = torch.randn(2000, 1, 1, 50, generator=seeded(3)) * torch.linspace(1, 100, 2000)[:, None, None, None]
    added = Noise(share=0.1)(images, seeded()) - images
    changed = added.flatten(1).abs().amax(1) > 0
    ratio = (added.flatten(1).std(1) / images.flatten(1).std(1))[changed]
    assert 0.095 < ratio.mean() < 0.105
    assert torch.isfinite(Noise(share=0.1)(torch.zeros(4, 1, 1, 3), seeded())).all()


@pytest.mark.parametrize("text, found", [
    ("shift:1", (Shift(rows=1, columns=1),)), ("shift:2x0", (Shift(rows=2, columns=0),)),
    ("time-shift:800+noise:0.05", (TimeShift(steps=800), Noise(share=0.05))),
    ("time-mask:3+frequency-mask:4", (TimeMask(most=3), FrequencyMask(most=4))), ("none", ())])
def test_names(text, found):
    assert augmentations_of(text) == found


@pytest.mark.parametrize("text, error", [
    ("flip", r"augment='flip': unknown; join some of shift, time-shift, frequency-shift, noise, time-mask, "),
    ("shift", r"augment='shift': '' is no amount; write shift:2, or shift:2x1 for rows and columns"),
    ("noise:much", r"augment='noise:much': 'much' is no amount; write noise:0.05"),
    ("time-mask:1x2", r"'1x2' is no amount; write time-mask:2"), ("shift:1x2x3", r"'1x2x3' is no amount"),
    ("noise:0.1+", r"augment='': unknown")])
def test_wrong_names_are_one_line(text, error):
    with pytest.raises(DataError, match=error) as caught:
        augmentations_of(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change, shape, error", [
    (Shift(rows=1, columns=0), (1, 5, 1), "rows=1: an input with 1 rows moves by 0 to 0 of them"),
    (Shift(rows=0, columns=5), (1, 5, 1), "columns=5: an input with 5 columns moves by 0 to 4 of them"),
    (Shift(rows=-1, columns=0), (3, 5, 1), "rows=-1: an input with 3 rows moves by 0 to 2 of them"),
    (TimeShift(steps=9), (1, 9, 3), "steps=9: an input of 9 steps begins 0 to 8 of them earlier or later"),
    (TimeShift(steps=9), (9, 20, 1), "steps=9: an input of 9 steps begins"),
    (Noise(share=-1), (1, 9, 3), "share=-1: 0 to 10 of an input's deviation can be added"),
    (Noise(share=float("nan")), (1, 9, 3), "share=nan: 0 to 10"),
    (TimeMask(most=9), (1, 9, 3), "most=9: of 9 steps, 0 to 8 can be hidden"),
    (FrequencyShift(channels=3), (1, 9, 3), "channels=3: of 3 frequencies, an input sounds 0 to 2 higher or lower"),
    (FrequencyMask(most=3), (1, 9, 3), "most=3: of 3 frequencies, 0 to 2 can be hidden"),
    (FrequencyMask(most=3), (9, 3, 1), "most=3: of 3 frequencies, 0 to 2 can be hidden")])
def test_amounts_that_do_not_suit_the_inputs(change, shape, error):
    assert change.check(shape).startswith(error)


@pytest.mark.parametrize("change", EVERY)
def test_amounts_that_suit_are_right(change):
    assert change.check((8, 9, 3)) == ""
    assert AUGMENTATIONS[change.name] is type(change)


def test_naming_them_loads_no_torch():
    code = ("import sys; from sw.data import augmentations_of; augmentations_of('shift:1'); "
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
