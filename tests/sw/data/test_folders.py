import re
from pathlib import Path

import numpy as np
import pytest

from sw.data import BrokenFiles, DataError
from sw.data.folders import FolderOptions, Unreadable, find_files, parts_of, read_all, reason_of


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


def found(folder, **options):
    return find_files(folder, (".png", ".jpg"), FolderOptions(**options), "image")


def said(files):
    """Each file's name with its label, split, and what else it tells."""
    return {each.path.name: (each.label, each.split, {name: value for name, value in each.fields.items()
                                                      if name not in ("label", "split")}) for each in files.files}


def test_a_folder_a_class(tmp_path):
    make(tmp_path, "cat/1.png", "cat/deep/2.PNG", "dog/3.jpg", "dog/notes.txt", ".git/4.png", "_noise/5.png",
         "dog/.6.png")
    (tmp_path / "none").mkdir()
    files = found(tmp_path)
    assert said(files) == {"1.png": ("cat", "", {}), "2.PNG": ("cat", "", {}), "3.jpg": ("dog", "", {})}
    assert files.warnings == [f"{tmp_path / 'none'}: nothing to read in this folder; it is no class"]


def test_folders_of_splits(tmp_path):
    make(tmp_path, "train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "Test/dog/4.png", "test.png")
    files = found(tmp_path)
    assert said(files) == {"1.png": ("cat", "train", {}), "2.png": ("dog", "train", {}), "3.png": ("cat", "valid", {}),
                           "4.png": ("dog", "test", {})}
    assert files.warnings == [f"{tmp_path}: 1 files lie in no folder of a class and are left out, such as test.png"]
    make(tmp_path, "other/cat/5.png")
    with pytest.raises(DataError, match=r"Test and train and val are called as splits are, but other is not; move"):
        found(tmp_path)
    make(tmp_path, "train/cat/6.png")
    (tmp_path / "other/cat/5.png").unlink()
    assert said(found(tmp_path))["6.png"] == ("cat", "train", {})


def test_names_that_tell(tmp_path):
    make(tmp_path, "a_theo_0.png", "b_anna_12.png", "b_anna_twelve.jpg", "other.png")
    files = found(tmp_path, names="{label}_{speaker}_{take}.png")
    assert said(files) == {"a_theo_0.png": ("a", "", {"speaker": "theo", "take": "0"}),
                           "b_anna_12.png": ("b", "", {"speaker": "anna", "take": "12"})}
    (warning,) = files.warnings
    assert re.search(r"2 files are not called as names=\{label\}_.* says and left out, such as b_anna_twelve", warning)
    make(tmp_path, "x/Validation/7.png")
    assert said(found(tmp_path, names="{label}/{split}/*.png")) == {"7.png": ("x", "valid", {})}
    make(tmp_path, "x/odd/8.png")
    with pytest.raises(DataError, match=r"x/odd/8.png: 'odd' is no split; call it train, valid or test"):
        found(tmp_path, names="{label}/{split}/{file}.png")
    with pytest.raises(DataError, match=r"\{label\} is there twice; call one otherwise"):
        found(tmp_path, names="{label}/{label}.png")


def test_speech_commands(tmp_path):
    make(tmp_path, "yes/ab_nohash_0.png", "yes/cd_nohash_1.png", "no/ab_nohash_0.png", "_background_noise_/x.png")
    plain = found(tmp_path)
    assert said(plain)["cd_nohash_1.png"] == ("yes", "", {"speaker": "cd", "take": "1"})
    (tmp_path / "testing_list.txt").write_text("yes/cd_nohash_1.png\n", encoding="utf-8")
    (tmp_path / "validation_list.txt").write_text("no/ab_nohash_0.png\n", encoding="utf-8")
    assert [each.split for each in found(tmp_path).files] == ["valid", "train", "test"]
    assert {each.split for each in found(tmp_path, by="speaker").files} == {""}


def test_a_table_of_labels(tmp_path):
    make(tmp_path, "a/1.png", "a/2.png", "b/3.png")
    (tmp_path / "labels.csv").write_text("filename,Label,split,fold\na/1.png,cat,train,1\na/2.png,dog,val,2\n"
                                         "b/3.png,cat,test,1\n", encoding="utf-8")
    files = found(tmp_path, labels="labels.csv")
    assert [(each.path.name, each.label, each.split, each.fields["fold"]) for each in files.files] == [
        ("1.png", "cat", "train", "1"), ("2.png", "dog", "valid", "2"), ("3.png", "cat", "test", "1")]
    outside = tmp_path.parent / f"{tmp_path.name}.csv"
    outside.write_text("file,class\na/1.png,cat\n", encoding="utf-8")
    assert said(found(tmp_path, labels=str(outside))) == {"1.png": ("cat", "", {"file": "a/1.png", "class": "cat"})}


@pytest.mark.parametrize("text, error", [
    ("file,label\na/1.png,cat\ngone.png,dog\n", r"t.csv: line 3: 'gone.png': no such file in"),
    ("file,label\n,dog\n", r"t.csv: line 2: ''"), ("x,y\n1,2\n", r"t.csv: has the columns x, y; call one file and one"),
    ("", r"t.csv: no rows; give a row of names"),
    ("file,label,split\na/1.png,a,train\na/2.png,b,\n", r"some rows say of whi")])
def test_wrong_tables(tmp_path, text, error):
    make(tmp_path, "a/1.png", "a/2.png")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=error) as caught:
        found(tmp_path, labels="t.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names, options, error", [
    ((), {}, r"no image \(\.png, \.jpg\) in it; give a folder with some, a folder a class"),
    (("1.png",), {}, r"1.png lies in no folder of a class; make a folder a class, or say how names are made, as in"),
    (("train/1.png",), {}, r"train/1.png lies in no folder of a class"),
    (("a/1.png",), {"names": "{speaker}.png"}, r"names=\{speaker\}.png: has no \{label\}; write one where the class"),
    (("a/1.png",), {"names": "{label}.png"}, r"no file is called as names=\{label\}.png says; there is a/1.png, and a"),
    (("a/1.png",), {"labels": "t.csv", "names": "{label}"}, r"labels= and names= both say the class; write one of"),
    (("a/1.png",), {"labels": "t.csv"}, r"t.csv: no such file, nor t.csv; name a CSV file of files and labels"),
])
def test_folders_that_say_nothing(tmp_path, names, options, error):
    make(tmp_path, *names)
    with pytest.raises(DataError, match=error) as caught:
        found(tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there():
    with pytest.raises(DataError, match=r"/nowhere: no such folder; give one with images, a folder a class"):
        found(Path("/nowhere"))


def read(path):
    if "bad" in path.name:
        raise Unreadable("is odd")
    return np.array([len(path.name)])


@pytest.fixture
def some(tmp_path):
    make(tmp_path, "a/1.png", "a/bad2.png", "b/333.png", "b/bad4.png", "b/5.png")
    return tmp_path


def test_broken_files_are_named_or_left_out(some):
    options = FolderOptions()
    with pytest.raises(BrokenFiles, match=r"bad2.png: cannot be used \(is odd\); so is bad4.png; mend") as caught:
        read_all(found(some), np.zeros((5, 1)), read, options)
    assert [path.name for path, _ in caught.value.files] == ["bad2.png", "bad4.png"]
    files = found(some)
    values = read_all(files, np.zeros((5, 1)), read, FolderOptions(broken="skip"))
    assert values.ravel().tolist() == [5, 7, 5]
    assert [each.path.name for each in files.files] == ["1.png", "333.png", "5.png"]
    assert files.broken == [(some / "a/bad2.png", "is odd"), (some / "b/bad4.png", "is odd")]


def test_a_pointer_of_git_lfs_is_called_so(tmp_path):
    (tmp_path / "a.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", encoding="utf-8")
    assert reason_of(tmp_path / "a.png", "is no image") == (
        "is a pointer of Git LFS, not the file; run git lfs pull")
    assert reason_of(tmp_path / "gone.png", "is no image") == "is no image"


def test_nothing_but_broken_files(tmp_path):
    make(tmp_path, "a/bad.png")
    with pytest.raises(DataError, match=r"every file is broken, such as bad.png \(is odd\); give others"):
        read_all(found(tmp_path), np.zeros((1, 1)), read, FolderOptions(broken="skip"))


def test_parts_have_groups_names_and_numbers_of_classes(tmp_path):
    make(tmp_path, "b_x_1.png", "a_y_2.png", "b_y_1.png")
    options = FolderOptions(names="{label}_{speaker}_{take}.png")
    parts, names = parts_of(found(tmp_path, names=options.names), np.zeros((3, 1)), options)
    assert (names, list(parts), parts["train"].labels.tolist()) == (("a", "b"), ["train"], [0, 1, 1])
    assert parts["train"].groups.tolist() == ["y", "x", "y"]
    assert parts["train"].names == ("a_y_2.png", "b_x_1.png", "b_y_1.png")
    by_take = FolderOptions(names=options.names, by="take")
    assert parts_of(found(tmp_path, names=options.names), np.zeros((3, 1)), by_take)[0]["train"].groups.tolist() == [
        "2", "1", "1"]
    with pytest.raises(DataError, match=r"by=room: the files tell speaker, take; name one of these, or write names="):
        parts_of(found(tmp_path, names=options.names), np.zeros((3, 1)), FolderOptions(by="room"))


def test_nothing_to_train_on(tmp_path):
    make(tmp_path, "test/a/1.png", "val/a/2.png")
    with pytest.raises(DataError, match=r"nothing to train on, only valid and test; add a folder train"):
        parts_of(found(tmp_path), np.zeros((2, 1)), FolderOptions())
