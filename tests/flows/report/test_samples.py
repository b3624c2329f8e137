import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from flows.report.samples import CELL, CURVES, ROWS, WAVE, samples_svg
from sw.data import Dataset, load_dataset
from sw.golden.features import FeatureSpec

SVG = "{http://www.w3.org/2000/svg}"


def dataset(inputs, classes=2, **fields):
    labels = np.arange(len(inputs)) % classes
    splits = ("train", "valid", "test")
    return Dataset(**{"name": "some", "classes": classes, "seed": 0, "inputs": dict.fromkeys(splits, inputs),
                      "labels": dict.fromkeys(splits, labels), **fields})


def parsed(data, title="some"):
    return ElementTree.fromstring(samples_svg(data, title))


def pictures(root):
    """Pixels of the embedded images."""
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each.get("href").partition(",")[2]))))
            for each in root.iter(f"{SVG}image")]


def texts(root):
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


def test_images_are_drawn_as_they_are():
    data = load_dataset("digits")
    root = parsed(data)
    shown = pictures(root)
    assert len(shown) == 10 * (6 + 2)
    first = np.flatnonzero(data.labels["train"] == 0)[0]
    np.testing.assert_array_equal(shown[0], (data.inputs["train"][first, :, :, 0] / 16 * 255).round().astype(np.uint8))
    assert [name for name in texts(root) if name.isdigit()] == [str(number) for number in range(10)]
    titles = [each.text for each in root.iter(f"{SVG}title")]
    assert titles[0] == f"train {first}" and len(set(titles)) == 80
    assert "image: 8×8×1; black is 0, white 1" in texts(root)


def test_colour_and_shape():
    images = np.random.default_rng(0).integers(0, 256, (4, 4, 8, 3)).astype(np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    data = dataset(images, scale=1 / 255, class_names=("a<b", "long" * 9), names={"train": ("x/1.png",) * 4})
    root = parsed(data)
    np.testing.assert_array_equal(pictures(root)[0], images[0])
    first = next(root.iter(f"{SVG}image"))
    assert (float(first.get("width")), float(first.get("height"))) == (CELL, CELL / 2)
    assert "a<b" in texts(root) and "longlonglonglon…" in texts(root)
    assert next(root.iter(f"{SVG}title")).text == "x/1.png"


def test_a_tone_is_one_line_of_its_spectrogram():
    wave = (8000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype(np.int16)
    waves = np.stack([wave, wave // 2, wave // 4, np.zeros_like(wave)])[..., None]
    root = parsed(dataset(waves, scale=1 / 32768, rate=8000.0))
    loud, *_ = pictures(root)
    assert loud.shape == (129, 61, 3)
    assert loud.sum((1, 2)).argmin() == 128 - 32                    # dark, a quarter of the way up: 1 of 4 kHz
    assert (loud[40] == 255).all()
    silent = pictures(root)[3]                                      # of the second class, the second
    assert (silent == 255).all()
    path = next(root.iter(f"{SVG}path")).get("d")
    heights = [float(each) for each in re.findall(r"M[\d.]+ ([\d.]+)", path)]
    assert len(heights) == CELL
    assert min(heights) == pytest.approx(WAVE / 2 * (1 - 8000 / 32768), abs=0.2)


def test_a_recording_shorter_than_a_spectrum():
    waves = np.random.default_rng(0).integers(-9, 9, (4, 50, 1)).astype(np.int16)
    assert pictures(parsed(dataset(waves, scale=1 / 32768, rate=8000.0)))[0].shape == (129, 1, 3)


@pytest.mark.parametrize("axis", [False, True])
def test_features_have_time_to_the_right_and_high_channels_on_top(axis):
    values = np.zeros((4, 30, 12), np.uint16)
    values[:, 5, 2] = 600
    data = dataset(values[..., None] if axis else values, scale=0.1, rate=8000.0, spec=FeatureSpec(
        rate=8000, channels=12, high_hz=3750.0))
    root = parsed(data)
    shown = pictures(root)[0].astype(int)
    assert shown.shape == (12, 30, 3)
    assert np.unravel_index(shown.sum(2).argmin(), (12, 30)) == (12 - 1 - 2, 5)
    assert (shown.sum(2) == 765).sum() == 12 * 30 - 1
    assert any(text.startswith("features: ") and text.endswith("white is 0, black 60") for text in texts(root))


def test_channels_of_a_sequence_lie_below_each_other():
    values = np.random.default_rng(0).normal(0, 1, (8, 30, 8)).astype(np.float32)
    root = parsed(dataset(values))
    group = next(root.iter(f"{SVG}g"))
    paths = [path.get("d") for path in group.iter(f"{SVG}path")]
    assert len(paths) == CURVES
    for lane, path in enumerate(paths):
        points = [tuple(map(float, point.split())) for point in path[1:].split("L")]
        assert len(points) == 30 and points[-1][0] == CELL
        assert all(lane * CELL / CURVES - 0.1 <= y <= (lane + 1) * CELL / CURVES + 0.1 for _, y in points)


def test_features_of_a_table_are_bars_on_their_own_scale():
    values = np.array([[0, 100], [1, 300], [0.5, 200], [1, 100]], np.float32)
    root = parsed(dataset(values))
    bars = [path.get("d") for path in root.iter(f"{SVG}path")]
    assert re.findall(r"V([\d.]+)", bars[0]) == ["96.0", "96.0"]      # the least of both
    assert re.findall(r"V([\d.]+)", bars[1]) == ["48.0", "48.0"]


def test_many_classes_are_the_first_ones_and_output_is_the_same_every_time():
    values = np.random.default_rng(0).normal(0, 1, (40, 3)).astype(np.float32)
    data = dataset(values, classes=20)
    text = samples_svg(data, "some")
    assert text == samples_svg(data, "some")
    assert len(list(ElementTree.fromstring(text).iter(f"{SVG}g"))) == ROWS * 4
    assert f"the first {ROWS} of 20 classes" in text


def test_names_of_others_are_made_safe():
    values = np.random.default_rng(0).normal(0, 1, (4, 3)).astype(np.float32)
    assert "a" * 104 + "…" in texts(parsed(dataset(values), "a" * 200))
    root = parsed(dataset(values, class_names=("\x1b[2J", "\x00")), "a\x1b&b")
    assert "a\N{REPLACEMENT CHARACTER}&b" in texts(root)
