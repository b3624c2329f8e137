import numpy as np
import pytest

from sw.data import DataError
from sw.data.assemble import Part, assemble
from sw.data.augment import Noise


def part(labels, name="train", shape=(3, 2, 1), inputs=None):
    labels = np.array(labels, np.int64)
    if inputs is None:
        inputs = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), *shape)).astype(np.uint8)
    return Part(inputs=inputs, labels=labels, inputs_from=f"{name}.images", labels_from=f"{name}.labels")


MANY = [0, 1, 2] * 20


def test_the_validation_split_comes_from_training_with_classes_in_proportion():
    train = part(MANY)
    data = assemble("some", train, part([0, 1, 2], "test"), scale=0.5, augmentations=(Noise(share=0.5),))
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [55, 5, 3]
    assert len(assemble("some", train, part([0, 1, 2]), held=9).labels["valid"]) == 9
    assert (data.classes, data.scale, data.augmentations, data.warnings) == (3, 0.5, (Noise(share=0.5),), ())
    both = np.concatenate([data.inputs["train"], data.inputs["valid"]]).reshape(60, 6)
    assert sorted(both.tolist()) == sorted(train.inputs.reshape(60, 6).tolist())


@pytest.mark.parametrize("train, test, error", [
    (part([*MANY, 3]), part([0, 1, 2, 3], "test"),
     r"^train\.labels: class 3 has one image, two are needed: one to train on, one to choose networks by; add one, or"),
    (part([*MANY, 3, 5]), part([0], "test"), r"^train\.labels: classes 3, 5 have one image, two are needed"),
    (part(MANY), part([0, 1, 4, 4], "test"),
     r"^train\.labels: class 4 has no image to train on, but some in test\.labels; add images, or take those out"),
    (part(MANY), part([0, 1], "test", shape=(3, 3, 1)),
     r"^test\.images: images of 3x3x1 uint8, but train\.images has images of 3x2x1 uint8; make both of one size"),
    (part(MANY, shape=(6,)), part([0, 1], "test", shape=(7,)), r"^test\.images: inputs of 7 uint8, but train\.images"),
    (part(MANY), part([0, 1], "test", inputs=np.zeros((2, 3, 2, 1), np.float32)),
     r"^test\.images: images of 3x2x1 float32, but train\.images has images of 3x2x1 uint8"),
    (part([4] * 9), part([4], "test"), r"^train\.labels: every image is of class 4; give at least two classes"),
    (part(MANY), part([0, -1], "test"), r"^test\.labels: label -1; labels count the classes from 0 to at most 4095"),
    (part([*MANY, 4096, 4096]), part([0], "test"), r"^train\.labels: label 4096; labels count the classes from 0"),
    (part([]), part([0], "test"), r"^train\.images: no images; give a larger data set"),
    (part(MANY, inputs=np.zeros((7, 1), np.uint8)), part([0], "test"),
     r"^train\.images: 7 inputs, but train\.labels has 60 labels; fetch both again"),
])
def test_what_cannot_be_trained_on_names_file_and_class(train, test, error):
    with pytest.raises(DataError, match=error) as caught:
        assemble("some", train, test)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("train, test, warning", [
    (part([0, 1, 3] * 20), part([0, 1, 3], "test"), "train.labels: class 2 has no image, nor in test.labels; the "
     "network has an output that is never right (is a file incomplete?)"),
    (part([1, 2] * 20), part([1, 2], "test"), "train.labels: class 0 has no image, nor in test.labels; the network has "
     "an output that is never right (labels are counted from 0, not from 1)"),
    (part([0, 20] * 20), part([0, 20], "test"), "train.labels: classes 1, 2, 3, 4, 5, 6 and 13 more have no image, nor "
     "in test.labels; the network has an output that is never right (is a file incomplete?)"),
    (part(MANY), part([0, 1], "test"), "test.labels: class 2 has no image; the accuracy says nothing about it"),
    (part([0, 1] * 60 + [2, 2]), part([0, 1, 2], "test"), "train.labels: class 2 has so few images that none is among "
     "the 10 that networks are chosen by; add some"),
])
def test_what_looks_wrong_is_a_warning(train, test, warning):
    assert assemble("some", train, test).warnings == (warning,)


def test_a_channel_that_the_rounding_loses_is_a_warning():
    rng = np.random.default_rng(0)
    inputs = rng.normal(0, 1, (60, 3)).astype(np.float32) * np.array([1000, 1000, 0.5], np.float32)
    train, test = part(MANY, inputs=inputs), part([0, 1, 2], "test", inputs=inputs[:3])
    (warning,) = assemble("some", train, test).warnings
    assert warning.startswith("train.images: channel 2 varies by less than 4 of the 255 steps that the input, from -")
    assert warning.endswith("is rounded to; bring all channels to one scale around 0")
    far = part(MANY, inputs=inputs[:, :1] / 1e4 + 1000)
    assert "channel 0" in assemble("some", far, part([0, 1, 2], "test", inputs=far.inputs[:3])).warnings[0]
    around = np.round(inputs[:, :1] / 1000 + 1000).astype(np.int16)
    assert "channel 0" in assemble("some", part(MANY, inputs=around), part([0, 1, 2], inputs=around[:3])).warnings[0]
    centred = assemble("some", part(MANY, inputs=around), part([0, 1, 2], inputs=around[:3]), offset=1000.0)
    assert centred.warnings == ()
    inputs[:, 2] = 7   # says nothing, and hides nothing
    assert assemble("some", part(MANY, inputs=inputs), test).warnings == ()
