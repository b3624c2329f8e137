import numpy as np
import pytest

from hw.spec.commands import OPCODES, encode
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from sw.golden.words import ProgramError, Resident, Undefined, Words, integer

DESIGN = DesignPoint(rows=2, cols=2, lanes=2, weight_bytes=2048)      # words of 4 bytes


def test_bits_are_a_number_with_the_lowest_first():
    assert integer(np.array([1, 0, 1, 1], np.uint8)) == 13
    assert integer(np.eye(1, 70, 69, dtype=np.uint8)[0]) == 1 << 69


def test_words_follow_each_other_and_a_copy_goes_its_own_way():
    taken = []

    def take(first, count):
        taken.append((first, count))
        return np.zeros((count, 32), np.uint8)
    words = Words(DESIGN, take, 5)
    words.take(2)
    other = words.copy()
    words.weights(3)
    other.take(1)
    assert taken == [(5, 2), (7, 3), (7, 1)]
    assert (words.position, other.position) == (10, 8)


def test_the_memory_is_read_by_words():
    content = bytes(range(64)) + encode({"opcode": OPCODES["END"]}).to_bytes(64, "little")
    memory = Resident(DESIGN, content)
    assert memory.command(16) == encode({"opcode": OPCODES["END"]})
    weights = memory.words(1).weights(2)
    assert weights.shape == (2, DESIGN.cols, DESIGN.lanes) and weights.flatten().tolist() == list(range(4, 12))


def test_a_content_that_is_too_large_is_refused():
    with pytest.raises(ProgramError, match="^image of 2049 bytes: weight_bytes=2048; raise weight_bytes$"):
        Resident(DESIGN, bytes(2049))


def test_pointers_that_pass_the_last_word_start_from_zero_or_read_nothing():
    memory = Resident(DESIGN, b"\1\0\0\0")
    assert memory.counted == 1024
    assert memory.words(memory.counted).weights(1).flatten().tolist() == [1, 0, 0, 0]
    if DESIGN.weights_wrap:
        assert memory.words(512).weights(1).flatten().tolist() == [1, 0, 0, 0]
    else:
        with pytest.raises(Undefined, match="^reads weight word 512 of 512, behind the end of the weight memory"):
            memory.words(512).weights(1)


def test_what_the_loader_writes_is_not_defined():
    memory = Resident(PRESETS["ecp5-25"], bytes(1024))
    size = PRESETS["ecp5-25"].weight_word_bits // 8
    memory.stream_to(10 * size, 12 * size + 1)
    assert not memory.words(9).take(1).any()
    for word in (10, 11, 12):
        with pytest.raises(Undefined, match=f"^reads weight word {word}, which streams; compile the model again$"):
            memory.words(word).take(1)
    assert not memory.words(13).take(1).any()
