import numpy as np
import pytest

from sw.golden.function import Function, as_words, words_of

MOVE = Function(fields=("source", "output", "step"), addresses=("source", "output"),
                reads=lambda fields: [(fields["source"], 1)], writes=lambda fields: [(fields["output"], 1)],
                run=lambda fields, table, memory: None, cycles=lambda fields: 1.0)


def test_the_words_of_a_call_are_its_fields_in_order_and_a_table():
    assert words_of(MOVE, {"step": -3, "source": 7, "output": 9}, [5, 6]) == (7, 9, (1 << 32) - 3, 5, 6)


def test_a_missing_field_is_an_error():
    with pytest.raises(KeyError, match="step"):
        words_of(MOVE, {"source": 7, "output": 9})


@pytest.mark.parametrize("size", [0, 1, 4, 7])
def test_a_table_of_any_number_of_bytes_is_whole_words(size):
    content = bytes(range(size))
    words = as_words(content)
    assert len(words) == -(-size // 4)
    assert np.array(words, "<u4").tobytes() == content.ljust(4 * len(words), b"\0")
