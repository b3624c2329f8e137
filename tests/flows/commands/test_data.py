import json

import numpy as np
import pytest
from PIL import Image

from flows import cli
from flows.commands.data import describe_data
from sw.data import DataError

KEYS = ["data", "kind", "shape", "dtype", "scale", "offset", "rate", "seed", "splits", "classes", "augment", "standard",
        "duplicates", "broken", "warnings", "digest", "picture"]


@pytest.fixture
def photos(tmp_path):
    """Two classes of ten images, one of them twice and under both names, and a broken one."""
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)).save(
                tmp_path / "photos" / kind / f"{number}.png")
    twice = (tmp_path / "photos/cat/3.png").read_bytes()
    for kind in ("cat", "dog"):
        (tmp_path / "photos" / kind / "again.png").write_bytes(twice)
    return tmp_path / "photos"


def test_what_the_digits_hold():
    document = describe_data("digits")
    assert list(document) == KEYS
    assert (document["kind"], document["shape"], document["dtype"]) == ("image", [8, 8, 1], "uint8")
    assert {split: part["inputs"] for split, part in document["splits"].items()} == {
        "train": 1257, "valid": 180, "test": 360}
    assert [each["name"] for each in document["classes"]] == [str(number) for number in range(10)]
    assert sum(each["test"] for each in document["classes"]) == 360
    assert (document["augment"], document["warnings"], document["broken"]) == (["shift:1x1"], [], [])
    train = document["splits"]["train"]
    assert (train["low"], train["high"]) == (0, 1) and 0.3 < train["mean"] < 0.31 and 0.37 < train["deviation"] < 0.38


def test_what_is_there_twice_is_found(photos):
    document = describe_data(f"images:{photos},test=0.5,valid=0.3")
    found = document["duplicates"]
    assert found["across_splits"] + found["within_splits"] == 2
    assert found["contradicting"] == 1
    named = {name for each in found["listed"] for name in (each["input"], each["of_input"])}
    assert named == {"cat/3.png", "cat/again.png", "dog/again.png"}
    assert {label for each in found["listed"] for label in (each["label"], each["of_label"])} == {"cat", "dog"}


def test_broken_files_are_listed_and_the_others_described(photos, capsys):
    (photos / "dog/7.png").write_bytes((photos / "dog/7.png").read_bytes()[:60])
    (photos / "cat/text.png").write_text("no image", encoding="utf-8")
    document = describe_data(f"images:{photos}")
    assert [(each["file"], bool(each["reason"])) for each in document["broken"]] == [
        (str(photos / "cat/text.png"), True), (str(photos / "dog/7.png"), True)]
    assert sum(part["inputs"] for part in document["splits"].values()) == 21
    with pytest.raises(SystemExit) as ended:
        cli.main(["data", f"images:{photos}", "--json"])
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (document, "")


def test_people_get_tables_and_a_picture(photos, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["data", f"images:{photos},size=32x32,seed=2", "--picture", str(tmp_path / "samples.svg")])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert out == ""
    text = " ".join(err.split())
    assert "images of 32×32×3 (height, width, channels), uint8" in text
    assert "cat │" in text and "split by seed 2" in text and "changed by shift:1x1" in text
    assert "with another class" in text and f"picture: {tmp_path / 'samples.svg'}" in text
    assert (tmp_path / "samples.svg").read_text(encoding="utf-8").count("<image") > 10


def test_what_cannot_be_trained_on_is_an_error(photos):
    with pytest.raises(DataError, match="no option 'sice'"):
        describe_data(f"images:{photos},sice=3")


def test_means_and_standards_are_told(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=rng.normal(5, 2, (5000, 2)), y=np.arange(5000) % 2)
    plain = describe_data(f"npz:{tmp_path / 'a.npz'}")
    assert (plain["kind"], plain["standard"]) == ("table", [])
    assert plain["splits"]["train"]["mean"] == pytest.approx(5, abs=0.1)
    assert plain["splits"]["train"]["deviation"] == pytest.approx(2, abs=0.1)
    standard = describe_data(f"npz:{tmp_path / 'a.npz'},standardize=1")
    assert standard["splits"]["train"]["deviation"] == pytest.approx(1, abs=0.01)
    assert [round(each["mean"]) for each in standard["standard"]] == [5, 5]
