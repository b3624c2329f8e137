from dataclasses import dataclass
from typing import Literal

import pytest

from sw.data import DataError
from sw.data.options import Options, known, option, parse_options, split_source


@dataclass(frozen=True, kw_only=True)
class Every(Options):
    size: tuple[int, int] | None = option(None, "of an image")
    grey: bool = option(False, "one channel")
    hop: int = option(0, "rows")
    seconds: float = option(1.0, "of sound")
    columns: tuple[str, ...] = option((), "inputs")
    fit: Literal["pad", "cut"] = option("pad", "how")


@pytest.mark.parametrize("text, source, given", [
    ("digits", "digits", {}), ("digits,seed=3", "digits", {"seed": "3"}),
    ("images:a b/c,d,size=32x32,grey=1", "images:a b/c,d", {"size": "32x32", "grey": "1"}),
    ("csv:x.csv,columns=ax,ay,az,label=kind", "csv:x.csv", {"columns": "ax,ay,az", "label": "kind"}),
    ("wav:r,names={label}_{speaker}_{take}.wav,by=take,test=0-4", "wav:r",
     {"names": "{label}_{speaker}_{take}.wav", "by": "take", "test": "0-4"}),
    ("a/b.py:f,x=", "a/b.py:f", {"x": ""}), ("csv:a,1=2.csv", "csv:a,1=2.csv", {})])
def test_a_source_and_its_options(text, source, given):
    assert split_source(text) == (source, given)


def test_an_option_that_is_there_twice():
    with pytest.raises(DataError, match=r"data 'digits,seed=1,seed=2': the option seed is there twice; keep one"):
        split_source("digits,seed=1,seed=2")


def test_values_have_the_types_of_their_fields():
    texts = {"size": "32x24", "grey": "yes", "hop": "-3", "seconds": "0.5", "columns": "a, b", "fit": "cut",
             "seed": "7"}
    assert parse_options(Every, texts, "x") == Every(size=(32, 24), grey=True, hop=-3, seconds=0.5, columns=("a", "b"),
                                                     fit="cut", seed=7)
    assert parse_options(Every, {"size": "32"}, "x").size == (32, 32)
    assert parse_options(Every, {}, "x") == Every()


@pytest.mark.parametrize("given, error", [
    ({"sise": "3"}, r"data 'x:y': no option 'sise'; there are seed, valid, augment, normal, size, grey, hop, seconds,"),
    ({"hop": "a"}, r"data 'x:y': hop=a: is no value; write a whole number"),
    ({"hop": "1.5"}, r"hop=1.5: is no value; write a whole number"),
    ({"seconds": "long"}, r"seconds=long: is no value; write a number"),
    ({"size": "32*32"}, r"size=32\*32: is no value; write two whole numbers, such as 32x24"),
    ({"grey": "maybe"}, r"grey=maybe: write 1 or 0"), ({"fit": "x"}, r"fit=x: write one of pad, cut"),
    ({"seed": "-1"}, r"data 'x:y': seed=-1: write 0 to 4294967295"),
    ({"augment": "flip"}, r"data 'x:y': augment='flip': unknown; join some of"),
])
def test_wrong_options_are_one_line(given, error):
    with pytest.raises(DataError, match=error) as caught:
        parse_options(Every, given, "x:y")
    assert "\n" not in str(caught.value)


def test_every_option_says_what_it_is_for():
    assert known([Options]) == "seed, valid, augment, normal"
