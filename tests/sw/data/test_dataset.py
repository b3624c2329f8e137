import numpy as np
import pytest

from sw.data import DataError, Dataset, load_dataset
from sw.data.augment import Noise, Shift, TimeShift
from sw.data.dataset import SPLITS, image_shape
from sw.graph.graph import TensorType


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def dataset(every, **fields):
    """The same inputs in every split, of classes 0, 1, 0, 1 ..."""
    labels = np.arange(len(every)) % 2
    return Dataset(**{"name": "some", "classes": 2, "seed": 0, "inputs": dict.fromkeys(SPLITS, every),
                      "labels": dict.fromkeys(SPLITS, labels), **fields})


def noise(*shape, kind=np.float32):
    values = np.random.default_rng(0).normal(0, 40, (6, *shape))
    return np.clip(values, 0 if kind == np.uint8 else -128, 127).astype(kind)


def test_the_digest_sees_one_pixel_and_every_fact(digits):
    changed = {split: images.copy() for split, images in digits.inputs.items()}
    changed["test"][7, 3, 3, 0] ^= 1
    fields = {"name": "digits", "classes": 10, "seed": 0, "labels": digits.labels, "scale": 1 / 16,
              "augmentations": (Shift(rows=1, columns=1),)}
    same = Dataset(inputs=digits.inputs, **fields)
    others = [Dataset(inputs=changed, **fields), Dataset(inputs=digits.inputs, **{**fields, "scale": 1 / 17}),
              Dataset(inputs=digits.inputs, **{**fields, "augmentations": (Shift(rows=0, columns=1),)}),
              Dataset(inputs=digits.inputs, offset=1.0, **fields)]
    assert same.digest == digits.digest
    assert len({data.digest for data in (same, *others)}) == 5
    assert Dataset(inputs=digits.inputs, warnings=("looks odd",), **fields).digest == same.digest


def test_the_digest_sees_the_type_and_the_rank():
    bytes_ = noise(3, 4, kind=np.int8)
    found = {dataset(inputs).digest for inputs in (bytes_, bytes_.view(np.uint8), bytes_[..., None],
                                                   bytes_.reshape(6, 12))}
    assert len(found) == 4


@pytest.mark.parametrize("shape, image", [((5,), (1, 1, 5)), ((7, 2), (1, 7, 2)), ((3, 4, 2), (3, 4, 2))])
@pytest.mark.parametrize("kind", [np.float32, np.int8, np.uint8, np.int16, np.uint16, np.int32])
def test_any_rank_and_type_becomes_an_image_of_the_same_numbers(shape, image, kind):
    inputs = np.abs(noise(*shape)).astype(kind) if np.dtype(kind).kind == "u" else noise(*shape, kind=kind)
    data = dataset(inputs, **({} if kind == np.float32 else {"scale": 0.25, "offset": 3.0}))
    assert data.shape == image_shape(shape) == image
    real = data.real("test")
    assert real.dtype == np.float32
    assert real.shape == (6, *image)
    expected = inputs.astype(float) if kind == np.float32 else (inputs.astype(float) - 3) / 4
    np.testing.assert_array_equal(real.ravel(), expected.astype(np.float32).ravel())


@pytest.mark.parametrize("values, low, high, zero_point", [
    ([0.0, 1.0], 0, 1, -128), ([-1.0, 1.0], -1, 1, 0), ([-3.0, -1.0], -3, 0, 127), ([5.0, 6.0], 0, 6, -128),
    ([-0.5, 2.0], -0.5, 2, -77)])
def test_the_input_type_spans_the_training_data_and_zero(values, low, high, zero_point):
    data = dataset(np.array([values, values], np.float32))
    kind = data.input_type
    assert data.range == (low, high)
    assert (kind.zero_point, kind.scale) == (zero_point, pytest.approx((high - low) / 255))
    quantized = data.quantized("test", kind).astype(int)
    assert np.abs(kind.scale * (quantized - zero_point) - data.real("test")).max() <= kind.scale * 0.501


def test_only_the_training_split_decides_the_type():
    inputs = {"train": np.array([[0.0], [1.0]], np.float32), "valid": np.array([[2.0], [1.0]], np.float32),
              "test": np.array([[-9.0], [9.0]], np.float32)}
    data = dataset(inputs["train"], inputs=inputs)
    assert data.range == (0, 1)
    assert data.quantized("test", data.input_type).ravel().tolist() == [-128, 127]


def test_a_narrower_type_is_kept_to():
    data = dataset(np.array([[0.0], [1.0]], np.float32))
    kind = TensorType(shape=(1, 1, 1), scale=1 / 15, zero_point=-8, bits=4)
    assert data.quantized("test", kind).ravel().tolist() == [-8, 7]


def test_digits_quantize_as_pixels(digits):
    assert digits.input_type == TensorType(shape=(8, 8, 1), scale=1 / 255, zero_point=-128)
    assert digits.range == (0, 1)


@pytest.mark.parametrize("fields, error", [
    ({"inputs": dict.fromkeys(SPLITS, np.zeros((6, 3)))}, r"train has inputs float64\(6, 3\) and labels int64\(6,\)"),
    ({"inputs": dict.fromkeys(SPLITS, np.zeros(6, np.float32))}, r"float32\(6,\) .* expected float32 or integers"),
    ({"labels": dict.fromkeys(SPLITS, np.zeros(5, int))}, r"and labels int64\(5,\)"),
    ({"labels": dict.fromkeys(SPLITS, np.zeros(6))}, r"labels float64\(6,\); expected .* and int64 \(N,\)"),
    ({"inputs": {**dict.fromkeys(SPLITS, noise(3)), "test": noise(4)}},
     r"test has inputs float32\(4,\), train has float32\(3,\); make them alike"),
    ({"inputs": {**dict.fromkeys(SPLITS, noise(3)), "valid": noise(3, kind=np.int8)}},
     r"valid has inputs int8\(3,\), train has float32\(3,\)"),
    ({"inputs": {**dict.fromkeys(SPLITS, noise(3)), "test": noise(3)[:0]},
      "labels": {**dict.fromkeys(SPLITS, np.arange(6) % 2), "test": np.zeros(0, int)}}, r"no inputs in the test split"),
    ({"inputs": dict.fromkeys(SPLITS, np.array([[1], [2], [np.nan], [1], [1], [1]], np.float32))},
     r"input 2 of the train split has a value that is not finite; remove it or fill the gap"),
    ({"inputs": dict.fromkeys(SPLITS, np.full((6, 3), 7, np.uint8))},
     r"every value of the train split is 7; there is nothing to learn from"),
    ({"labels": dict.fromkeys(SPLITS, np.arange(6))}, r"train has the label 5; there are 2 classes, from 0"),
    ({"labels": dict.fromkeys(SPLITS, np.arange(6) % 2 - 1)}, r"train has the label -1; there are 2 classes, from 0"),
    ({"classes": 1, "labels": dict.fromkeys(SPLITS, np.zeros(6, int))}, r"classes=1; 2 to 4096 can be told apart"),
    ({"classes": 5000}, r"classes=5000; 2 to 4096"),
    ({"scale": 2.0}, r"scale=2, offset=0: float inputs mean themselves; multiply them before"),
    ({"inputs": dict.fromkeys(SPLITS, noise(3, kind=np.int8)), "scale": 0.0}, r"scale=0, offset=0; the scale is abov"),
    ({"inputs": dict.fromkeys(SPLITS, noise(3, kind=np.int8)), "offset": np.inf}, r"offset=inf; .* both are finite"),
    ({"augmentations": (Shift(rows=1, columns=0),)},
     r"some: augment=shift: rows=1: an input with 1 rows moves by 0 to 0 of them"),
    ({"inputs": dict.fromkeys(SPLITS, noise(2, 5, 1)), "augmentations": (Noise(share=1), TimeShift(steps=5))},
     r"augment=time-shift: steps=5: an input of 2 steps begins 0 to 1"),
])
def test_mistakes_are_named(fields, error):
    with pytest.raises(DataError, match=error) as caught:
        dataset(noise(3), **fields)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_shape_is_refused(digits):
    with pytest.raises(DataError, match=r"digits: inputs are 8x8x1, but the model takes 1x64x1; give the data set"):
        digits.quantized("test", TensorType(shape=(1, 64, 1), scale=1.0, zero_point=0))
