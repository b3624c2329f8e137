"""Commands that no compiler makes: the RTL and the golden interpreter end alike, and leave the same memory."""

import re
from collections import Counter

import numpy as np
import pytest

from cosim.engine import build_engine, run_to_any_end
from hw.spec.commands import decode
from hw.spec.design import DesignPoint
from hw.spec.fields import counts
from hw.spec.image import unpack_header
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.golden import execute
from sw.golden.words import Undefined, Words
from sw.graph.graph import Graph, TensorType
from tests.support.commands import spoiled_programs
from tests.support.images import with_changed_command
from tests.support.layers import random_layer

SPRAM = {"rows": 1, "cols": 4, "lanes": 4, "memory": "spram", "act_bytes": 131072, "weight_bytes": 4096}
#: one of each kind first
DESIGNS = {
    "compact": PRESETS["up5k"],
    "wide": DesignPoint(rows=2, cols=4, lanes=4, requantizers=2, depthwise_taps=4, act_bytes=4096, weight_bytes=8192,
                        stream_bytes=2, table_unit=True),
    "compact, eight lanes": DesignPoint(engine="compact", multiplier="lut", requantizer_cycles=4, requantizer_dsps=0,
                                        table_unit=True, **{**SPRAM, "lanes": 8}),
    "wide, spram": DesignPoint(**SPRAM),
    "wide, kept weights": DesignPoint(rows=4, cols=4, lanes=2, weight_bits=4, multiplier="lut", requantizers=4,
                                      dataflow="weight", act_bytes=4096, weight_bytes=16384),
    "wide, scalable": DesignPoint(rows=2, cols=4, lanes=4, multiplier="scalable", requantizers=8, depthwise_taps=4,
                                  act_bytes=4096, weight_bytes=16384, stream_bytes=2),
    "wide, scalable blocks": DesignPoint(rows=2, cols=4, lanes=4, multiplier="scalable-dsp", requantizers=8,
                                         depthwise_taps=4, act_bytes=4096, weight_bytes=16384, stream_bytes=2),
    "wide, binary": DesignPoint(rows=4, cols=4, lanes=4, weight_bits=1, multiplier="lut", depthwise_taps=4,
                                act_bytes=4096, weight_bytes=16384),
    "wide, narrow": DesignPoint(rows=2, cols=8, lanes=4, weight_bits=4, act_bits=4, multiplier="packed",
                                requantizer_dsps=0, act_bytes=2048, weight_bytes=8192, table_unit=True),
}
CYCLE_LIMIT = 400_000      # spoiled programs that end take less than half
FILLED_BYTES = 8192        # of the activations, at most; the rest is 0
#: Every reason for which nothing is compared: what the engine does then depends on the time at which it does it, on
#: what was in a memory before, or needs parts of a larger array. ``hw.spec.fields.undefined`` has the first ones.
NOT_DEFINED = (r"\w+=0: the engine counts to it", "split=", "maximum=", "tile_rows=", "tile_cols=", "spacing=",
               "segment_steps=", "tail_steps=", "local",
               "window=", "port_cycles=", "add=1: block", "tail_cols=", "first_segments=",
               "reads what it has written itself", "reads weight word .* behind the end",
               "reads weight word .* which streams", "reads .* words of a stream", "block_words=", "ring",
               "stream_bytes=", "layers wrote over weights")


def compare(design, simulator, image, seed=0):
    """Run both; ``None`` where the result is not defined, else how it ended."""
    rng = np.random.default_rng(seed)
    header = unpack_header(image)
    filled = min(FILLED_BYTES, design.act_bytes)
    half = 1 << design.act_bits - 1
    act = bytearray(rng.integers(-half, half, filled).astype(np.int8).tobytes().ljust(design.act_bytes, b"\0"))
    if design.memory == "spram":
        act[header["stream_address"]:header["stream_address"] + header["stream_bytes"]] = image[
            header["stream_offset"]:]
    before = bytes(act)
    ending = execute(design, image, act)
    got = run_to_any_end(simulator, image, before, cycle_limit=CYCLE_LIMIT)
    assert (got.busy, got.error, got.pc, got.layer) == (ending.busy, ending.error, ending.pc, ending.layer)
    if got.act is not None:
        differ = np.flatnonzero(np.frombuffer(got.act, np.uint8) != np.frombuffer(act, np.uint8))
        assert not differ.size, differ
    return "ENDLESS" if ending.busy else ending.error


def run_random(design, simulator, wanted, seed):
    """How many ended how, until ``wanted`` were compared; those whose result is not defined count by the reason."""
    endings, compared = Counter(), 0
    for number, one in enumerate(spoiled_programs(design, 2 * wanted, seed)):
        if compared == wanted:
            break
        try:
            endings[compare(design, simulator, one.image, number)] += 1
            compared += 1
        except Undefined as error:
            why = str(error).split(": ", 1)[1]
            reasons = [reason for reason in NOT_DEFINED if re.match(reason, why)]
            assert reasons, why
            endings[reasons[0]] += 1
        except AssertionError as error:
            raise AssertionError(f"command {number}, {one.how}: {decode(one.command)}: {error}") from error
    assert compared == wanted, endings
    assert sum(endings[reason] for reason in NOT_DEFINED) <= 0.4 * endings.total(), endings
    return endings


@pytest.fixture(scope="module")
def simulators(tmp_path_factory):
    made = {}

    def simulator(name):
        if name not in made:
            made[name] = build_engine(DESIGNS[name], tmp_path_factory.mktemp("engine"))
        return made[name]
    return simulator


@pytest.mark.sim
@pytest.mark.parametrize("name", ["compact", "wide"])
def test_any_command_gives_one_answer(name, simulators):
    endings = run_random(DESIGNS[name], simulators(name), 60, 1)
    assert {"NONE", "BAD_CHECKSUM", "ENDLESS"} <= set(endings)


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_any_of_many_commands_gives_one_answer(name, simulators):
    count = 2000 if name in ("compact", "wide") else 600
    endings = run_random(DESIGNS[name], simulators(name), count, 2)
    rare = {"BAD_OPCODE"} if count == 2000 else set()
    rare |= {"ZERO_COUNT"} if counts(DESIGNS[name]) else set()
    assert {"NONE", "BAD_MAGIC", "BAD_CHECKSUM", *rare} <= set(endings)


@pytest.fixture(scope="module")
def pointwise():
    """A 1x1 convolution on the compact engine."""
    taken = TensorType(shape=(2, 2, 4), scale=0.1, zero_point=3)
    layer = random_layer(np.random.default_rng(1), "conv", taken, outputs=8, kernel=(1, 1))
    return compile_graph(Graph(name="pointwise", inputs=(taken,), layers=(layer,)), DESIGNS["compact"])


def spoiled(program, **changes):
    """With other fields in its only LAYER."""
    assert len(program.layers) == 1
    return with_changed_command(program, int(bool(program.streamed_bytes)), **changes)


@pytest.mark.sim
@pytest.mark.parametrize("changes", [
    {"tile_cols": 2}, {"tile_rows": 0}, {"spacing": 0}, {"window": 1}, {"broadcast": 1, "distance": 9},
    {"local": 1, "local_words": 99}, {"first_segments": 0}, {"tail_rows": 0}, {"out_row_bytes": 7}, {"tail_lanes": 0},
    {"table": 1},
], ids=str)
def test_a_compact_engine_takes_no_notice_of_fields_that_it_does_not_have(changes, pointwise, simulators):
    design = DESIGNS["compact"]
    assert compare(design, simulators("compact"), spoiled(pointwise, **changes)) == "NONE"
    left, right = bytearray(range(256)) * 512, bytearray(range(256)) * 512
    execute(design, pointwise.image, left)
    execute(design, spoiled(pointwise, **changes), right)
    assert left == right != bytearray(range(256)) * 512


@pytest.mark.sim
def test_a_golden_model_that_heeds_such_a_field_is_found(pointwise, simulators, monkeypatch):
    monkeypatch.setattr("sw.golden.interpreter.taken", lambda design, command: dict(command))
    with pytest.raises(AssertionError):
        compare(DESIGNS["compact"], simulators("compact"), spoiled(pointwise, tile_cols=2))


@pytest.fixture(scope="module")
def tabled():
    """A convolution of the wide engine that goes through a table: what its first words happen to be."""
    taken = TensorType(shape=(3, 3, 4), scale=0.1, zero_point=3)
    layer = random_layer(np.random.default_rng(2), "conv", taken, outputs=24, kernel=(3, 3))
    program = compile_graph(Graph(name="tabled", inputs=(taken,), layers=(layer,)), DESIGNS["wide"])
    return spoiled(program, table=1)


@pytest.mark.sim
def test_any_words_are_a_table(tabled, simulators):
    assert compare(DESIGNS["wide"], simulators("wide"), tabled) == "NONE"


@pytest.mark.sim
def test_a_golden_model_that_looks_up_the_entry_before_is_found(tabled, simulators, monkeypatch):
    table = Words.table
    monkeypatch.setattr(Words, "table", lambda words: np.roll(table(words), 1))
    with pytest.raises(AssertionError):
        compare(DESIGNS["wide"], simulators("wide"), tabled)


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize("kind, bits", [("scalable", 8), ("scalable", 4), ("scalable", 2), ("scalable-dsp", 8),
                                        ("scalable-dsp", 4)])
def test_sums_of_digits_wrap_alike(kind, bits, tmp_path, monkeypatch):
    """Those of programs that no compiler makes, as their sums exceed the accumulators."""
    monkeypatch.setattr("sw.compiler.channels._needed_bits", lambda *_: 0)
    design = DesignPoint(rows=2, cols=4, lanes=2, multiplier=kind, acc_bits=17, act_bytes=4096, weight_bytes=16384)
    taken = TensorType(shape=(4, 4, 16), scale=0.1, zero_point=3)
    layer = random_layer(np.random.default_rng(3), "conv", taken, outputs=24, kernel=(3, 3), weight_bits=bits)
    program = compile_graph(Graph(name="large", inputs=(taken,), layers=(layer,)), design)
    assert [plan.command["split"] for plan in program.layers] == [{8: 0, 4: 1, 2: 2}[bits]]
    simulator = build_engine(design, tmp_path)
    assert compare(design, simulator, program.image) == "NONE"
    monkeypatch.setattr("sw.golden.layer._Layer._summed", lambda layer, weights, sums, terms: sums(weights))
    with pytest.raises(AssertionError):
        compare(design, simulator, program.image)
