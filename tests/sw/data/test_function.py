import pytest

from sw.data import DataError, load_dataset

FILE = """
import numpy as np
from beside import KINDS
from sw.data import Dataset

def made(count, seed):
    y = np.arange(count) % KINDS
    return np.random.default_rng(seed).normal(0, 1, (count, 20, 2)) + y[:, None, None], y

def pair(count: int = 60, spread=1.0, loud: bool = False):
    x, y = made(count, 0)
    return x * spread * (3 if loud else 1), y

def pairs():
    return made(40, 0), made(20, 1)

def mapping():
    return {"x_train": made(40, 0)[0], "y_train": np.array(["a", "b"])[made(40, 0)[1]], "x_test": made(20, 1)[0],
            "y_test": np.array(["a", "b"])[made(20, 1)[1]]}

def whole():
    x, y = made(40, 0)
    return Dataset(name="whole", classes=2, seed=0, inputs=dict.fromkeys(("train", "valid", "test"), x.astype("f4")),
                   labels=dict.fromkeys(("train", "valid", "test"), y))

def fails(path: str):
    with open(path) as file:
        return file

def nothing():
    return None
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    (tmp_path / "beside.py").write_text("KINDS = 2\n", encoding="utf-8")
    return tmp_path / "mine.py"


def test_what_a_function_may_return(file):
    pair, pairs, mapping, whole = (load_dataset(f"{file}:{name}") for name in ("pair", "pairs", "mapping", "whole"))
    assert [len(pair.labels[split]) for split in ("train", "valid", "test")] == [44, 4, 12]
    assert [len(pairs.labels[split]) for split in ("train", "valid", "test")] == [37, 3, 20]
    assert (mapping.inputs["test"] == pairs.inputs["test"]).all()
    assert (mapping.class_names, pairs.class_names, whole.name) == (("a", "b"), (), "whole")
    assert {data.shape for data in (pair, pairs, mapping, whole)} == {(1, 20, 2)}


def test_options_reach_its_parameters_and_the_split(file):
    data = load_dataset(f"{file}:pair,count=90,spread=10,test=0.5,augment=none,layout=lc")
    assert len(data.labels["test"]) == 45 and data.inputs["train"].std() > 8
    loud = load_dataset(f"{file}:pair,loud=yes")
    assert loud.digest != load_dataset(f"{file}:pair").digest


def test_another_file_gives_other_data(file):
    before = load_dataset(f"{file}:pair").digest
    file.write_text(FILE.replace("default_rng(seed)", "default_rng(seed + 1)"), encoding="utf-8")
    assert load_dataset(f"{file}:pair").digest != before


@pytest.mark.parametrize("source, error", [
    ("gone.py:f", r"data '\S*gone.py': no such file; give FILE.py:FUNCTION"),
    ("mine.py:gone", r"mine.py: no function 'gone'; there is made, pair, pairs, mapping, whole, fails, nothing$"),
    ("mine.py:nothing", r"mine.py:nothing: returned NoneType; give x and y, a pair of such pairs"),
    ("mine.py:fails,path=/nowhere", r"mine.py:fails \(line 27\): FileNotFoundError: \[Errno 2\] No such file"),
    ("mine.py:fails", r"the function wants path; add path=VALUE"),
    ("mine.py:pair,cuont=3", r"no option 'cuont'; there are count, spread, loud, seed, valid, augment, normal, test,"),
    ("mine.py:pair,count=few", r"count=few: is no value; write a whole number"),
    ("mine.py:pair,spread=wide", r"spread=wide: is no value; write a number"),
])
def test_mistakes_are_one_line(file, source, error):
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"{file.parent}/{source}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_python_says_the_line(file):
    file.write_text("import numpy\nx = (\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"mine.py: SyntaxError: '\(' was never closed \(mine.py, line 2\)"):
        load_dataset(f"{file}:pair")
    file.write_text("import numpy\n\nx = numpy.gone\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"mine.py \(line 3\): AttributeError: module 'numpy' has no attribute 'gone'"):
        load_dataset(f"{file}:pair")
