import numpy as np
import pytest
from PIL import Image

from sw.data import BrokenFiles, DataError, images, load_dataset
from sw.data.augment import Shift

RED, BLUE, GREY = (200, 10, 20), (10, 20, 220), 90


def save(path, colour=RED, size=(8, 6), mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode or ("RGB" if isinstance(colour, tuple) else "L"), size, colour).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Twelve images of each of two classes, whose shade is their number."""
    for number in range(12):
        save(tmp_path / f"blue/{number}.png", (10, 20, 220 - number))
        save(tmp_path / f"red/{number}.jpg", (200 - number, 10, 20), quality=95)
    return tmp_path


def test_a_folder_of_colour(folder):
    data = load_dataset(f"images:{folder}")
    assert (data.shape, data.classes, data.class_names, data.scale) == ((6, 8, 3), 2, ("blue", "red"), 1 / 255)
    assert data.augmentations == (Shift(rows=1, columns=1),) and data.warnings == ()
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [17, 2, 5]
    names = [name for split in ("train", "valid", "test") for name in data.names[split]]
    assert sorted(names) == sorted([*(f"blue/{number}.png" for number in range(12)),
                                    *(f"red/{number}.jpg" for number in range(12))])
    for split, inputs in data.inputs.items():
        for image, label, name in zip(inputs, data.labels[split], data.names[split], strict=True):
            number = int(name.split("/")[1].split(".")[0])
            shade = (10, 20, 220 - number) if label == 0 else (200 - number, 10, 20)
            assert np.abs(image.astype(int) - shade).max() <= (0 if label == 0 else 3)


def test_it_is_the_same_every_time_and_the_seed_counts(folder):
    assert load_dataset(f"images:{folder}").digest == load_dataset(f"images:{folder}").digest
    assert load_dataset(f"images:{folder}").digest != load_dataset(f"images:{folder},seed=1").digest


@pytest.mark.parametrize("options, shape", [
    ("", (6, 8, 3)), (",size=4x3", (3, 4, 3)), (",size=16", (16, 16, 3)), (",grey=1", (6, 8, 1)),
    (",size=5x7,grey=yes", (7, 5, 1)), (",grey=0", (6, 8, 3))])
def test_size_and_colour_as_asked(folder, options, shape):
    assert load_dataset(f"images:{folder}{options}").shape == shape


def test_grey_files_have_one_channel_unless_asked(tmp_path):
    for number in range(6):
        save(tmp_path / f"a/{number}.png", GREY + number)
        save(tmp_path / f"b/{number}.png", number)
    assert load_dataset(f"images:{tmp_path}").shape == (6, 8, 1)
    assert load_dataset(f"images:{tmp_path},grey=0").shape == (6, 8, 3)
    save(tmp_path / "b/6.png", RED)
    assert load_dataset(f"images:{tmp_path}").shape == (6, 8, 3)


def test_another_shape_is_stretched_cropped_or_padded(tmp_path):
    halves = np.zeros((4, 8, 3), np.uint8)
    halves[:, :4] = 255
    for number in range(6):
        for kind in "ab":
            path = tmp_path / kind / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.maximum(halves, number).astype(np.uint8)).save(path)
    first = {fit: load_dataset(f"images:{tmp_path},size=4x4,fit={fit}").inputs["test"][0, :, :, 0]
             for fit in ("stretch", "crop", "pad")}
    assert first["stretch"][0, 0] == first["crop"][0, 0] == 255 and first["pad"][0, 0] == 0
    assert first["pad"][1, 0] == 255 and (first["pad"][[0, -1]] == 0).all()
    assert first["crop"][0, 1] == 255 and first["crop"][0, 2] < 9


def test_all_modes_become_bytes(tmp_path):
    for number in range(4):
        for kind in "ab":
            save(tmp_path / kind / f"{number}.png", GREY)
    images = {"16.png": np.full((6, 8), GREY << 8 | 255, np.uint16), "bit.png": np.full((6, 8), True)}
    for name, values in images.items():
        Image.fromarray(values).save(tmp_path / "a" / name)
    save(tmp_path / "b/4.png", 93)
    save(tmp_path / "b/5.png", 87)
    Image.new("RGBA", (8, 6), (90, 90, 90, 128)).save(tmp_path / "a/alpha.png")
    Image.new("L", (8, 6), GREY).convert("P").save(tmp_path / "a/palette.png")
    Image.new("CMYK", (8, 6), (0, 0, 0, 165)).save(tmp_path / "a/cmyk.jpg", quality=95)
    data = load_dataset(f"images:{tmp_path},grey=1,valid=0.2")
    shades = {name: int(image[3, 3, 0]) for split in data.inputs
              for name, image in zip(data.names[split], data.inputs[split], strict=True)}
    assert shades.pop("a/bit.png") == 255
    assert all(abs(shade - GREY) <= 3 for shade in shades.values()), shades


def test_what_a_camera_turned_is_upright(tmp_path):
    left = np.zeros((4, 8), np.uint8)
    left[:, :4] = 250
    exif = Image.Exif()
    exif[0x0112] = 6                       # to be turned clockwise
    for number in range(6):
        for kind in "ab":
            path = tmp_path / kind / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(left).save(path, exif=exif, quality=95)
    image = load_dataset(f"images:{tmp_path}").inputs["test"][0, :, :, 0]
    assert image.shape == (8, 4) and image[:3].min() > 240 and image[5:].max() < 10


def truncated(path):
    path.write_bytes(path.read_bytes()[:-60])


@pytest.mark.parametrize("damage, reason", [
    (truncated, r"truncated|[Bb]roken|not processed"), (lambda path: path.write_bytes(b""), "is no PNG or JPEG"),
    (lambda path: path.write_bytes(b"<html>"), "is no PNG or JPEG"),
    (lambda path: path.write_bytes(path.read_bytes()[:20]), r"\w+")])
@pytest.mark.parametrize("options", ["", ",size=8,grey=0"])
def test_broken_files_are_named(folder, damage, reason, options):
    path = folder / "red/3.jpg"
    damage(path)
    with pytest.raises(BrokenFiles, match=rf"red/3.jpg: cannot be used \(.*{reason}.*\); mend or remove it") as caught:
        load_dataset(f"images:{folder}{options}")
    assert "\n" not in str(caught.value)
    data = load_dataset(f"images:{folder}{options},broken=skip")
    assert "red/3.jpg: left out (" in data.warnings[0]
    assert sum(map(len, data.labels.values())) == 23


def test_a_picture_too_large_to_be_one_is_broken(folder, monkeypatch):
    save(folder / "red/big.png", size=(12, 12))
    monkeypatch.setattr(images, "MOST_PIXELS", 100)
    with pytest.raises(BrokenFiles, match=r"big.png: cannot be used \(has 12x12 pixels; at most 100 are read\)"):
        load_dataset(f"images:{folder}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)           # Pillow warns of such, which is not to be seen
    with pytest.raises(BrokenFiles, match=r"big.png: cannot be used \(has 12x12 pixels"):
        load_dataset(f"images:{folder},size=8")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)            # and refuses what is twice as large
    with pytest.raises(BrokenFiles, match=r"big.png: cannot be used \(Image size \(144 pixels\) exceeds limit of 120"):
        load_dataset(f"images:{folder},size=8")


def test_large_photographs_are_made_small(tmp_path):
    shades = np.linspace(0, 255, 800).astype(np.uint8)
    for number in range(6):
        for kind, photo in (("a", np.tile(shades, (600, 1))), ("b", np.tile(shades[:600, None], (1, 800)))):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(photo).save(tmp_path / kind / f"{number}.jpg")
    data = load_dataset(f"images:{tmp_path},size=8x6")
    across = data.inputs["test"][data.labels["test"] == 0][0, :, :, 0].astype(int)
    assert across.shape == (6, 8) and np.abs(across - across[0]).max() <= 2
    np.testing.assert_allclose(across[0], shades.reshape(8, 100).mean(1), atol=8)


@pytest.mark.parametrize("odd, options, error", [
    (lambda folder: save(folder / "red/x.png", size=(9, 9)), "",
     r"red/x.png: is 9x9, 24 of 25 images are 8x6; add size=8x6, or another"),
    (lambda folder: None, ",size=0x8", r"size=0x8: width and height are 1 to 1024"),
    (lambda folder: None, ",fit=zoom", r"fit=zoom: write one of stretch, crop, pad"),
    (lambda folder: [path.unlink() for path in folder.glob("red/*")], "", r"every image is of class 'blue'; give at"),
    (lambda folder: [path.unlink() for path in sorted(folder.glob("red/*"))[1:]], "",
     r"class 'red' has fewer than three images, one each to train on, to choose networks by and to test; add some"),
])
def test_wrong_folders_are_one_line(folder, odd, options, error):
    odd(folder)
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"images:{folder}{options}")
    assert "\n" not in str(caught.value)


def test_no_folder():
    with pytest.raises(DataError, match=r"data 'images:': no folder; write images:DIR"):
        load_dataset("images:")


def test_a_class_missing_in_one_split(tmp_path):
    for number in range(4):
        save(tmp_path / f"train/a/{number}.png", RED)
        save(tmp_path / f"train/b/{number}.png", BLUE)
        save(tmp_path / f"test/a/{number}.png", RED)
    (warning,) = load_dataset(f"images:{tmp_path}").warnings
    assert warning.endswith("class 'b' has no image; the accuracy says nothing about it")
    save(tmp_path / "test/c/1.png", GREY)
    with pytest.raises(DataError, match=r"class 'c' has no image to train on, but some in"):
        load_dataset(f"images:{tmp_path}")
