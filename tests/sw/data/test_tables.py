import numpy as np
import pytest

from sw.data import DataError, load_dataset
from sw.data.augment import Noise, TimeShift

KINDS = ("walk", "run", "sit")


@pytest.fixture
def csv(tmp_path):
    def save(text, options=""):
        path = tmp_path / "some.csv"
        path.write_text(text if isinstance(text, str) else "\n".join(text) + "\n", encoding="utf-8")
        return load_dataset(f"csv:{path}{options}")
    return save


def rows(count=90, label=KINDS, separator=",", run=1):
    """Values by which a test knows a row, and its label; labels change every ``run`` rows."""
    return [separator.join([f"{number}", f"{number / 2}", f"{-number}", label[number // run % 3]])
            for number in range(count)]


NAMED = ["ax,ay,az,kind", *rows()]


def test_rows_are_inputs_and_the_last_column_is_the_label(csv):
    data = csv(NAMED)
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [66, 6, 18]
    assert (data.shape, data.class_names, data.augmentations) == ((1, 1, 3), ("run", "sit", "walk"), ())
    for split, inputs in data.inputs.items():
        numbers = inputs[:, 0].astype(int)
        np.testing.assert_array_equal(inputs, np.stack([numbers, numbers / 2, -numbers], 1))
        assert [data.called(label) for label in data.labels[split]] == [KINDS[number % 3] for number in numbers]


@pytest.mark.parametrize("text", [
    rows(), ["ax;ay;az;kind", *rows(separator=";")], ["ax\tay\taz\tkind", *rows(separator="\t")], rows(separator=" "),
    ["\ufeffax,ay,az,kind", *rows()],
    ['"ax","ay","az","kind"', *(f'{row[:-4]}"{row[-4:]}"' for row in rows(label=("walk", "runs", "sits")))],
    ["kind,ax,ay,az", *(",".join(np.roll(row.split(","), 1)) for row in rows())]])
def test_separators_and_names(csv, text):
    data = csv(text, ",label=kind" if text[0].startswith("kind") else "")
    assert (data.shape, data.classes) == ((1, 1, 3), 3)
    assert sorted(np.concatenate([data.inputs[split][:, 0] for split in data.inputs]).tolist()) == list(range(90))


@pytest.mark.parametrize("options, columns", [
    (",columns=az,ax", [2, 0]), (",columns=ay..az", [1, 2]), (",drop=ay", [0, 2]), (",columns=ax,label=kind", [0]),
    (",label=kind,drop=ax,ay", [2])])
def test_columns_that_are_inputs(csv, options, columns):
    inputs = csv(NAMED, options).inputs["test"]
    numbers = np.round(np.abs(inputs[:, 0] / [1, 0.5, 1][columns[0]]))
    np.testing.assert_array_equal(inputs, np.stack([numbers, numbers / 2, -numbers], 1)[:, columns])


def test_empty_lines_count_for_nothing(csv):
    assert csv([*NAMED[:20], "", *NAMED[20:], ""]).digest == csv(NAMED).digest


def test_labels_of_numbers_are_names_too(csv):
    data = csv(["a,class,b", *(f"{number},{(9, 10, 1)[number % 3]},0.5" for number in range(60))])
    assert (data.class_names, data.shape) == (("1", "9", "10"), (1, 1, 2))


def test_windows_never_cross_and_recordings_are_never_shared(csv):
    data = csv(["ax,ay,az,kind", *rows(2400, run=40)], ",window=16,hop=4")
    assert data.shape == (1, 16, 3)
    assert data.augmentations == (TimeShift(steps=0), Noise(share=0.05))
    seen = {}
    for split, inputs in data.inputs.items():
        first, last = (inputs[:, place, 0].astype(int) for place in (0, -1))
        assert ((last - first) == 15).all() and (first // 40 == last // 40).all()
        assert [data.called(label) for label in data.labels[split]] == [KINDS[number // 40 % 3] for number in first]
        for recording in set((first // 40).tolist()):
            assert seen.setdefault(recording, split) == split
    assert len(seen) == 60
    assert sum(map(len, data.inputs.values())) == 60 * 7
    assert len(set(data.labels["test"].tolist())) == len(set(data.labels["valid"].tolist())) == 3


def test_a_column_of_persons_keeps_each_in_one_split(csv):
    lines = [f"p{number // 200},{row}" for number, row in enumerate(rows(1200, run=20))]
    data = csv(["who,ax,ay,az,kind", *lines], ",window=10,group=who,test=p3")
    assert set((data.inputs["test"][:, 0, 0] // 200).astype(int).tolist()) == {3}
    others = [set((data.inputs[split][:, 0, 0] // 200).astype(int).tolist()) for split in ("train", "valid")]
    assert not others[0] & others[1] and others[0] | others[1] == {0, 1, 2, 4, 5}
    assert data.shape == (1, 10, 3)
    plain = csv(["who,ax,ay,az,kind", *lines], ",group=who,test=p3")
    assert (len(plain.labels["test"]), plain.shape) == (200, (1, 1, 3))


def test_few_long_recordings_are_cut_into_pieces(csv):
    text = ["ax,ay,az,kind", *rows(1500, run=500)]
    with pytest.raises(DataError, match=r"3 groups of 3 classes are too few; each class needs one to train on"):
        csv(text, ",window=20")
    data = csv(text, ",window=20,piece=50")
    places = {split: set((inputs[:, :, 0] // 50).astype(int).ravel().tolist()) for split, inputs in data.inputs.items()}
    assert not places["train"] & places["test"] and not places["train"] & places["valid"]
    assert all((inputs[:, 0, 0] // 50 == inputs[:, -1, 0] // 50).all() for inputs in data.inputs.values())


def test_short_recordings_are_left_out_with_a_warning(csv):
    (warning,) = csv(["ax,ay,az,kind", *rows(1200, run=40), *rows(6, run=2)], ",window=16").warnings
    assert warning.endswith("some.csv: 3 of 33 recordings are shorter than a window of 16 rows and left out")


def test_a_column_of_splits(csv):
    text = ["set,ax,ay,az,kind", *(f"{('train', 'Train', 'test', 'val')[number // 3 % 4]},{row}"
                                   for number, row in enumerate(rows(120)))]
    data = csv(text, ",split=set")
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [60, 30, 30]
    assert set((data.inputs["test"][:, 0] // 3 % 4).tolist()) == {2}
    with pytest.raises(DataError, match=r"column 'kind': 'run'; write train, valid or test"):
        csv(text, ",split=kind,label=set")


@pytest.mark.parametrize("text, options, error", [
    (["a,b,kind", *("1,2,x",) * 9, "1,oops,y"], "", r"line 11: 'oops' in column 'b' is no number; mend it, or leave"),
    (["a,b,kind", *("1,2,x",) * 9, "1,,y"], "", r"line 11: '' in column 'b' is no number"),
    (["a,b,kind", *("1,2,x",) * 9, "1,nan,y"], "", r"line 11: nan in column 'b'; fill the gap, or remove the line"),
    (["1,2,x"] * 9 + ["1,inf,y"], "", r"line 10: inf in column '1'"),
    (["a,b,kind", *("1,2,x",) * 9, "1,2"], "", r"line 11: 2 columns, where the first row has 3; mend or remove it"),
    (NAMED, ",label=sort", r"some.csv: no column 'sort'; there are ax, ay, az, kind$"),
    (NAMED, ",columns=ax,kind", r"the column of labels, 'kind', is an input too; name the inputs with columns="),
    (NAMED, ",drop=ax,ay,az", r"no column of inputs; name the inputs"),
    (NAMED, ",hop=3", r"data 'csv:\S+': hop: goes with window=ROWS; add it"),
    (NAMED, ",window=-1", r"window=-1: write a number of rows"),
    (NAMED, ",window=9,piece=4", r"piece=4: is shorter than a window of 9; write more"),
    (NAMED, ",window=9", r"the longest recording has 1 rows, a window 9; write a shorter one"),
    (["a,a,kind", "1,2,x"], "", r"two columns are called 'a'; rename one"),
    (["", "1,2,x"], "", r"its first line is empty"), (["a,b,kind"], "", r"one line only; give a row of names and rows"),
    (["a,b,kind", *("1,2,x",) * 9, "1,2,"], "", r"column 'kind': an input without a label"),
    (["a,b,kind", *("1,2,x",) * 9], "", r"every input is of class 'x'; give at least two classes"),
    (["a,price", *(f"{number},{number + 0.25}" for number in range(5000))], "", r"5000 different labels"),
])
def test_wrong_tables_name_line_and_column(csv, text, options, error):
    with pytest.raises(DataError, match=error) as caught:
        csv(text, options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """Twelve recordings of each of two classes by three persons, by whose values a test knows them."""
    for number in range(12):
        for place, kind in enumerate(("calm", "odd")):
            (tmp_path / kind).mkdir(exist_ok=True)
            code = 2 * number + place
            (tmp_path / kind / f"p{number % 3}-{number}.csv").write_text("t,a,b\n" + "\n".join(
                f"{row},{code},{row}" for row in range(60)), encoding="utf-8")
    return tmp_path


def recordings(data, split):
    return set(data.inputs[split][:, 0, 0].astype(int).tolist())


def test_a_folder_of_recordings(folder):
    data = load_dataset(f"csv:{folder},drop=t")
    assert (data.shape, data.class_names) == ((1, 60, 2), ("calm", "odd"))
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [17, 2, 5]
    assert all((data.inputs[split][:, 0, 0] % 2 == data.labels[split]).all() for split in data.inputs)
    assert data.names["test"][0].startswith("calm/p")


def test_windows_of_a_recording_are_in_one_split(folder):
    data = load_dataset(f"csv:{folder},columns=a..b,window=20,hop=10")
    found = [recordings(data, split) for split in ("train", "valid", "test")]
    assert sum(map(len, found)) == len(set.union(*found)) == 24
    assert sum(map(len, data.labels.values())) == 24 * 5
    assert set((data.inputs["train"][:, 19, 1] - data.inputs["train"][:, 0, 1]).tolist()) == {19}
    by_person = load_dataset(f"csv:{folder},drop=t,window=20,names={{label}}/{{person}}-{{take}}.csv,test=p1")
    assert {code // 2 % 3 for code in recordings(by_person, "test")} == {1}
    assert not recordings(by_person, "train") & recordings(by_person, "valid")


def test_few_long_recordings_of_a_folder_are_cut_into_pieces(folder):
    for path in folder.rglob("*.csv"):
        if not path.stem.endswith("-0"):
            path.unlink()
    with pytest.raises(DataError, match="too few; each class needs one to train on, .* as piece=ROWS makes of tables"):
        load_dataset(f"csv:{folder},drop=t,window=5")
    data = load_dataset(f"csv:{folder},drop=t,window=5,piece=12")
    seen = {}
    for split, inputs in data.inputs.items():
        for code, first, last in zip(inputs[:, 0, 0], inputs[:, 0, 1], inputs[:, -1, 1], strict=True):
            assert first // 12 == last // 12
            assert seen.setdefault((int(code), int(first // 12)), split) == split
    assert len(seen) == 2 * 5


@pytest.mark.parametrize("damage, options, error", [
    (lambda path: path.write_text("t,a,b\n1,2,3\n1,x,3\n", encoding="utf-8"), "",
     r"calm/p0-0.csv: cannot be used \(line 3: 'x' in column 'a' is no number; .*; mend or remove"),
    (lambda path: path.write_bytes(b"\xff"), "", r"calm/p0-0.csv: cannot be used \(is no UTF-8 text"),
    (lambda path: path.write_text("a,b\n1,2\n", encoding="utf-8"), "",
     r"calm/p0-3.csv: 3 columns, where calm/p0-0.csv has 2; name those wanted with columns="),
    (lambda path: path.write_text("t,a,b\n1,2,3\n", encoding="utf-8"), "", r"recordings of 1 to 60 rows; add window"),
    (lambda path: None, ",label=a", r"label: goes with a single file; folders and names say it here"),
    (lambda path: None, ",window=100", r"the longest recording has 60 rows, a window 100; write a shorter one")])
def test_wrong_folders_are_one_line(folder, damage, options, error):
    damage(folder / "calm/p0-0.csv")
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"csv:{folder}{options}")
    assert "\n" not in str(caught.value)


def test_broken_and_short_recordings_are_left_out(folder):
    (folder / "calm/p0-0.csv").write_bytes(b"\xff")
    (folder / "odd/p1-1.csv").write_text("t,a,b\n1,2,3\n1,2,3\n", encoding="utf-8")
    data = load_dataset(f"csv:{folder},drop=t,window=20,broken=skip")
    assert [path.name for path, _ in data.broken] == ["p0-0.csv"]
    says = "1 recordings or pieces are shorter than a window of 20 rows and left out"
    assert any(says in each for each in data.warnings)


def test_what_goes_with_a_folder_only(csv):
    with pytest.raises(DataError, match=r"names: goes with a folder of files; leave it out"):
        csv(NAMED, ",names={label}.csv")


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"data 'csv:/nowhere': no such file"):
        load_dataset("csv:/nowhere")
    (tmp_path / "x.csv").write_bytes(b"\xff\xd8\xff\xe0 no text")
    with pytest.raises(DataError, match=r"x.csv: is no UTF-8 text"):
        load_dataset(f"csv:{tmp_path / 'x.csv'}")
