import random
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image

from sw.data import DataError, load_dataset
from sw.data.options import Options
from sw.data.sources import SOURCES, Source

CHOICES = "choose digits, idx:DIR, mnist:DIR, .* or FILE.py:FUNCTION$"


@pytest.mark.parametrize("name, error", [
    ("cifar", f"data 'cifar': unknown; {CHOICES}"), ("", f"data '': unknown; {CHOICES}"), (".py", "unknown"),
    ("mnist", r"data 'mnist:': no such folder"),
    ("mnist:/nonexistent", r"data 'mnist:/nonexistent': no such folder"),
    ("digits,sed=1", r"data 'digits': no option 'sed'; there are seed, valid, augment, normal$"),
    ("digits,test=0.5", r"data 'digits': no option 'test'; there are"),
    ("digits,seed=1,seed=2", r"the option seed is there twice"),
])
def test_wrong_names_are_one_clear_line(name, error):
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("failure, says", [
    (ValueError("here is odd"), "here is odd"), (MemoryError(), "the memory is too small")])
def test_what_a_source_fails_with_names_the_data(monkeypatch, failure, says):
    def broken(path, options):
        raise failure

    monkeypatch.setitem(SOURCES, "broken", Source(place="", options=Options, load=broken))
    with pytest.raises(DataError, match=rf"data 'broken:here,seed=1': {says}"):
        load_dataset("broken:here,seed=1")


def test_a_place_may_begin_at_home_and_be_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_arrays(tmp_path)
    assert load_dataset("npz:~/some.npz").classes == 2
    (tmp_path / "photos").mkdir()
    write_images(tmp_path / "photos")
    monkeypatch.chdir(tmp_path / "photos")
    assert load_dataset("images:.").name == "photos"


def test_every_option_has_its_line():
    for source in SOURCES.values():
        assert all(each.metadata["says"] for each in source.options.__dataclass_fields__.values())


def write_images(folder):
    for number in range(8):
        (folder / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), 25 * number, np.uint8)).save(
            folder / "ab"[number % 2] / f"{number}.{'png' if number % 4 < 2 else 'jpg'}")


def write_recordings(folder):
    for number in range(8):
        (folder / "ab"[number % 2]).mkdir(exist_ok=True)
        soundfile.write(folder / "ab"[number % 2] / f"{number}.wav", np.sin(np.arange(900) * number), 8000,
                        subtype="PCM_16" if number % 4 < 2 else "FLOAT")


def write_arrays(folder):
    np.savez(folder / "some.npz", x=np.arange(160.0).reshape(40, 4), y=np.arange(40) % 2)


def write_table(folder):
    (folder / "some.csv").write_text("a,b,kind\n" + "\n".join(
        f"{number},{number / 2},{'xy'[number // 20 % 2]}" for number in range(200)), encoding="utf-8")


def write_series(folder):
    for part in ("TRAIN", "TEST"):
        (folder / f"A_{part}.ts").write_text("@classLabel true a b\n@data\n" + "\n".join(
            f"{number},2,3:4,5,{number}:{'ab'[number % 2]}" for number in range(20)), encoding="utf-8")


def damaged(content, rng):
    """With bytes changed, left out, put in, or the end missing."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 2, 12))):
        place = rng.randrange(min(len(found), 64) if rng.random() < 0.5 else len(found))
        change = rng.randrange(4)
        if change < 2:
            found[place] = rng.randrange(256)
        elif change == 2:
            found[place:place + rng.randrange(9)] = rng.randbytes(rng.randrange(9))
        else:
            del found[max(place, 1):]
    return bytes(found)


@pytest.mark.parametrize("source, write", [
    ("images:{},size=8", write_images), ("wav:{},seconds=0.1", write_recordings), ("npz:{}/some.npz", write_arrays),
    ("csv:{}/some.csv,window=5", write_table), ("ts:{}", write_series)])
def test_damaged_files_load_or_are_one_line(tmp_path, source, write):
    """Warnings are errors here, so none of a library's is seen either."""
    rng, refused = random.Random(0), 0
    (tmp_path / "whole").mkdir()
    write(tmp_path / "whole")
    load_dataset(source.format(tmp_path / "whole"))
    for _ in range(60):
        copy = shutil.copytree(tmp_path / "whole", tmp_path / "copy")
        path = rng.choice([path for path in sorted(copy.rglob("*")) if path.is_file()])
        path.write_bytes(damaged(path.read_bytes(), rng))
        try:
            load_dataset(source.format(copy))
        except DataError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
            refused += 1
        shutil.rmtree(copy)
    assert 5 < refused <= 60
