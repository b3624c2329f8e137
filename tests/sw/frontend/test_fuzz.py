"""The loader trusts no byte: files with random damage are a graph or one line, in no time."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.fuzz import FORMATS, LAST_RESORT, check

COUNT = 1500


def damaged(rng, data):
    """A file with a few bytes changed, a word replaced, a part cut out or the end missing."""
    data, kind = bytearray(data), rng.integers(5)
    if kind == 0:
        return bytes(data[:rng.integers(8, len(data))])
    if kind == 1:
        start = int(rng.integers(8, len(data)))
        return bytes(data[:start] + data[start + int(rng.integers(1, 64)):])
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(8, len(data) - 4))
        if kind == 2:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 3:
            data[place] = int(rng.integers(256))
        else:
            word = int(rng.choice([0, 1, 2, 3, 0x7FFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, len(data), 1 << 20]))
            data[place // 4 * 4:place // 4 * 4 + 4] = word.to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(tmp_path, name):
    load, corpus = FORMATS[name]
    files, rng = corpus(), np.random.default_rng(0)
    path = tmp_path / f"fuzz.{name}"
    for number in range(COUNT):
        path.write_bytes(damaged(rng, files[number % len(files)]))
        check(load, path)


def test_what_a_fuzzer_must_find_is_found(tmp_path):
    path = tmp_path / "fuzz.tflite"

    def fails(text):
        def load(path):
            raise GraphError(text)
        return load
    check(fails("fuzz.tflite: one line"), path)
    for text in ("fuzz.tflite: two\nlines", "no name", f"fuzz.tflite: {LAST_RESORT}KeyError: 1); get it again"):
        with pytest.raises(AssertionError):
            check(fails(text), path)
