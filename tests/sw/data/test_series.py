from pathlib import Path

import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.augment import Noise, TimeShift

SHARED = Path(__file__).parents[4] / "shared/data/basic_motions"
HEAD = """# a remark
@problemName some
@timeStamps false
@univariate false
@classLabel true up down

@data
"""


def lines(count, length=40, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return [":".join([*(",".join(f"{value:.3f}" for value in rng.normal(0, 1, length)) for _ in range(channels)),
                      ("up", "down")[number % 2]]) for number in range(count)]


def write(folder, train=None, test=None, name="some", head=HEAD):
    (folder / f"{name}_TRAIN.ts").write_text(head + "\n".join(train or lines(24)) + "\n", encoding="utf-8")
    (folder / f"{name}_TEST.ts").write_text(head + "\n".join(test or lines(8, seed=1)), encoding="utf-8")


def test_series_of_several_channels(tmp_path):
    write(tmp_path)
    data = load_dataset(f"ts:{tmp_path}")
    assert {split: inputs.shape for split, inputs in data.inputs.items()} == {
        "train": (22, 40, 2), "valid": (2, 40, 2), "test": (8, 40, 2)}
    first = lines(8, seed=1)[0].split(":")
    np.testing.assert_allclose(data.inputs["test"][0, :, 1], [float(value) for value in first[1].split(",")])
    assert data.class_names == ("down", "up") and data.labels["test"].tolist() == [1, 0] * 4
    assert data.augmentations == (TimeShift(steps=2), Noise(share=0.05))


def test_one_file_is_split(tmp_path):
    (tmp_path / "all.ts").write_text(HEAD + "\n".join(lines(40)), encoding="utf-8")
    assert len(load_dataset(f"ts:{tmp_path},test=0.25").labels["test"]) == 10


def test_one_of_several(tmp_path):
    write(tmp_path, name="a")
    write(tmp_path, name="b", train=lines(24, length=30), test=lines(8, length=30))
    assert load_dataset(f"ts:{tmp_path},name=b").shape == (1, 30, 2)
    with pytest.raises(DataError, match=r"a_TRAIN.ts and b_TRAIN.ts; add name=a, or that of another"):
        load_dataset(f"ts:{tmp_path}")


def test_different_lengths_are_cut_or_held_when_asked(tmp_path):
    write(tmp_path, train=lines(12) + lines(12, length=20))
    with pytest.raises(DataError, match=r"some_TRAIN.ts: series of 20 to 40 samples; add length=N, which cuts longer"):
        load_dataset(f"ts:{tmp_path}")
    data = load_dataset(f"ts:{tmp_path},length=30,valid=0.1")
    assert data.shape == (1, 30, 2)
    held = (data.inputs["train"][:, 20:] == data.inputs["train"][:, 19:20]).all((1, 2))
    assert 8 <= held.sum() <= 12


@pytest.mark.parametrize("train, head, error", [
    (["1,2,3:up"] * 8 + ["1,x,3:up"], HEAD, r"some_TRAIN.ts: line 16: could not convert string .*'x'; mend or remove"),
    (["1,2,3:up"] * 8 + ["1,?,3:up"], HEAD, r"line 16: a missing value \(\?\); fill the gap, or remove the line"),
    (["1,2,3:up"] * 8 + ["1,nan,3:up"], HEAD, r"line 16: a value that is not finite"),
    (["1,2,3:up"] * 8 + ["1,2,3:4,5,6:up"], HEAD, r"line 16: 2 channels, where the lines before have 1; mend"),
    (["1,2,3:4,5:up"], HEAD, r"line 8: channels of 3 and of other numbers of samples; make them alike"),
    (["1,2,3"], HEAD, r"line 8: no class behind the last colon"),
    (["1,2:up"], HEAD.replace("timeStamps false", "timeStamps true"), r"@timeStamps true: samples with their times"),
    (["1,2:0.5"], HEAD.replace("@classLabel true up down", "@targetLabel true"), r"values to be predicted, no"),
    (["1,2:0.5"], HEAD.replace("true up down", "false"), r"values to be predicted, no classes; give a data set with"),
    (["1,2:up"], "hello\n" + HEAD, r"line 1: 'hello' before @data; is this a .ts file\?"),
    (["# nothing"], HEAD, r"some_TRAIN.ts: no series after @data; fetch it again"),
    (["1,2:up"] * 9, HEAD, r"every input is of class 'up'|class 'down' has no"),
])
def test_damage_names_the_line(tmp_path, train, head, error):
    write(tmp_path, train=train, test=["1,2:up"] if train == ["1,2:up"] * 9 else None, head=head)
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"ts:{tmp_path}")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"data 'ts:/nowhere': no such folder; give the one that holds NAME_TRAIN.ts"):
        load_dataset("ts:/nowhere")
    with pytest.raises(DataError, match=r"/NAME_TRAIN.ts: no such file, the .ts files here are: none; give the folder"):
        load_dataset(f"ts:{tmp_path}")
    write(tmp_path)
    with pytest.raises(DataError, match=r"/x_TRAIN.ts: no such file, the .ts files here are: some_TEST.ts, some_TRAIN"):
        load_dataset(f"ts:{tmp_path},name=x")
    (tmp_path / "some_TEST.ts").unlink()
    with pytest.raises(DataError, match=r"some_TEST.ts: no such file beside some_TRAIN.ts; put it there"):
        load_dataset(f"ts:{tmp_path}")
    (tmp_path / "some_TEST.ts").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"some_TEST.ts: is no text"):
        load_dataset(f"ts:{tmp_path}")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings of BasicMotions are not beside this checkout")
def test_basic_motions_load():
    data = load_dataset(f"ts:{SHARED}")
    assert data.shape == (1, 100, 6)
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [36, 4, 40]
    assert (data.class_names, data.warnings) == (("Badminton", "Running", "Standing", "Walking"), ())
