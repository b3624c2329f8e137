import numpy as np
import pytest

from hw.gateware.table import TableUnit
from hw.spec.design import DesignPoint
from hw.spec.timing import TABLE_LATENCY, table_cycles, table_words
from tests.support.simulate import simulate

DESIGNS = {
    "four entries a cycle": DesignPoint(rows=2, cols=4, lanes=4, requantizers=2, table_unit=True),
    "a word at once": DesignPoint(rows=4, cols=2, lanes=2, requantizers=2, table_unit=True),
    "short words": DesignPoint(rows=2, cols=2, lanes=4, weight_bits=2, multiplier="lut", table_unit=True),
    "wide words": DesignPoint(rows=2, cols=8, lanes=8, requantizers=4, table_unit=True),
    "narrow outputs": DesignPoint(rows=2, cols=4, lanes=4, weight_bits=4, act_bits=4, multiplier="lut", requantizers=2,
                                  table_unit=True),
    "compact": DesignPoint(engine="compact", rows=1, cols=4, lanes=4, memory="spram", requantizer_cycles=2,
                           requantizer_dsps=0, act_bytes=131072, table_unit=True),
}


def test_the_table_fills_whole_words_and_cycles():
    for design in DESIGNS.values():
        assert table_words(design) * design.weight_word_bits == 8 * 256
        assert table_cycles(design) * design.table_entries == 256
        assert 8 * design.table_entries <= design.weight_word_bits


async def load(ctx, unit, table):
    """As the sequencer does: a word stays for all its entries."""
    design = unit.design
    word = design.weight_word_bits // 8
    for index in range(table_cycles(design)):
        at = index * design.table_entries // word * word
        ctx.set(unit.word, {"valid": 1, "index": index})
        ctx.set(unit.weights, int.from_bytes(table[at:at + word].tobytes(), "little"))
        await ctx.tick()
    ctx.set(unit.word, {"valid": 0, "index": 0})
    ctx.set(unit.weights, 0)
    await ctx.tick()


@pytest.mark.sim
@pytest.mark.parametrize("name", DESIGNS)
def test_outputs_are_looked_up_in_every_cycle_or_pass(name):
    design = DESIGNS[name]
    unit, rng = TableUnit(design), np.random.default_rng(1)
    unused = 8 - design.act_bits

    def narrow(values):
        return np.left_shift(values, unused, dtype=np.int8) >> unused

    async def bench(ctx):
        for use in (1, 0, 1):
            table = rng.integers(-128, 128, 256).astype(np.int8)
            await load(ctx, unit, table)
            ctx.set(unit.use, use)
            turns = narrow(rng.integers(-128, 128, (400, design.requantizers)))
            turns[:2] = narrow(np.array([[-128], [127]], np.int8))
            valid = rng.random(len(turns)) < 0.7
            wanted = narrow(table[turns.astype(int) + 128]) if use else turns
            for cycle in range(len(turns) + TABLE_LATENCY):
                if cycle < len(turns):
                    ctx.set(unit.outputs, turns[cycle].tolist())
                ctx.set(unit.valid, int(cycle < len(turns) and valid[cycle]))
                before = cycle - TABLE_LATENCY
                assert ctx.get(unit.found_valid) == (before >= 0 and valid[before])
                if before >= 0 and valid[before]:
                    assert [ctx.get(one) for one in unit.found] == wanted[before].tolist(), turns[before]
                await ctx.tick()

    simulate(unit, bench)
