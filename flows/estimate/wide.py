"""What the wide engine is made of, and so what it takes of an ECP5: blocks exactly, logic in terms to be weighted."""

from math import log2

from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.design import PARAM_BITS, DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.registers import LOG_WORDS

__all__ = ["engine_bram", "engine_dsp", "features", "memory_cells", "period_terms"]

LAYER_LOG = (32, LOG_WORDS * LAYER_LOG_ENTRIES)
CODE_BITS = {4: 10, 2: 9}      # of a byte of weights in so many digits
LUT_RAM = (4, 16)              # width in bits and words of one cell
BLOCKS_KEPT = 4                # whose parameters are there
MOST_LUT_RAM_CELLS = 16        # a memory of more goes to block RAMs
#: A block RAM's shapes: width in bits, words.
BLOCK_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))


def engine_dsp(design: DesignPoint) -> int:
    """Multiplier blocks of the engine: those that form its products, if they are to be used, and the requantizers'."""
    kind = MULTIPLIERS[design.multiplier]
    products = design.macs_per_cycle // (kind.ways * kind.pairs) if kind.uses_dsp else 0
    return products + design.requantizer_dsps * design.requantizers


def memory_cells(width: int, depth: int) -> tuple[int, int]:
    """(block RAMs, LUT RAM cells) of one memory; Yosys takes the best of the block RAM's shapes.

    >>> memory_cells(8, 2048), memory_cells(32, 2048), memory_cells(8, 128)
    ((1, 0), (4, 0), (0, 16))
    """
    cells = -(-width // LUT_RAM[0]) * -(-depth // LUT_RAM[1])
    if cells <= MOST_LUT_RAM_CELLS:
        return 0, cells
    return min(-(-width // bits) * -(-depth // words) for bits, words in BLOCK_SHAPES), 0


def _engine_memories(design: DesignPoint) -> tuple[int, int]:
    """(block RAMs, LUT RAM cells): a bank for each fetched activation, 32-bit weight banks, the layer log; beside
    them each requantizer's table."""
    port = design.weight_port_bits
    tables = design.requantizers if design.table_unit else 0
    memories = ((design.fetch_bytes, memory_cells(design.act_bits, design.act_bytes // design.fetch_bytes)),
                (port // 32, memory_cells(32, design.weight_bytes * 8 // port)), (1, memory_cells(*LAYER_LOG)))
    blocks, cells = (sum(count * used[kind] for count, used in memories) for kind in (0, 1))
    return blocks + tables, cells


def _piece_cells(design: DesignPoint) -> int:
    """LUT RAM cells that the channels of all pieces take where one memory has the parameters of all columns."""
    if not design.splits or not design.record_per_word:
        return 0
    kept, pieces = (BLOCKS_KEPT * design.cols * (count + 1) for count in (design.depthwise_rows, 1 << design.splits))
    return max(0, -(-PARAM_BITS // LUT_RAM[0]) * (-(-pieces // LUT_RAM[1]) - -(-kept // LUT_RAM[1])))


def _local_bits(design: DesignPoint) -> int:
    """Width of all the LUT RAMs in the elements: columns of a depthwise kernel, and weights that stay."""
    history = design.depthwise_channels * (design.depthwise_taps - 1) * design.act_bits
    keeping = design.rows * design.cols if design.dataflow == "weight" else design.depthwise_channels
    return history + keeping * design.lanes * _held_bits(design) if design.has_local_memory else 0


def _held_bits(design: DesignPoint) -> int:
    """Of a weight in the array: as it is in memory, or in digits."""
    return CODE_BITS[design.digits] if design.splits else design.weight_bits


def _product_bits(design: DesignPoint) -> float:
    """Registers between a lane's product and the sum over lanes, where there are any."""
    if design.digits == 4:
        return 0.0
    return design.act_bits / design.ways + design.weight_bits if design.digits == 1 else (
        2 * (design.act_bits + design.place_bits) + 1)


def _summed_bits(design: DesignPoint) -> tuple[int, int]:
    """Bits of an element's sums over lanes, and of its accumulators."""
    if design.splits:
        lanes = design.act_bits + design.place_bits + (design.lanes - 1).bit_length()
        return design.digits * lanes, design.digits * design.digit_bits
    return design.product_bits, design.acc_bits


def engine_bram(design: DesignPoint) -> int:
    """Block RAMs of the engine."""
    return _engine_memories(design)[0]


def features(design: DesignPoint) -> dict[str, dict[str, float]]:
    """What the LUTs and flip-flops of an engine are made of: term -> size, to be weighted."""
    rows, cols, lanes, bits = design.rows, design.cols, design.lanes, design.weight_bits
    elements, fetch, act_bits = rows * cols, design.fetch_bytes, design.act_bits
    held, (dot_bits, acc_bits) = _held_bits(design), _summed_bits(design)
    pieces = {"pieces": float(design.requantizers * design.digits)} if design.splits else {}
    requantizers = {f"requantizer_{design.requantizer_cycles}_{design.requantizer_dsps}": float(design.requantizers)}
    stream = {"stream": 1.0, "stream_bits": 8.0 * design.stream_port_bytes} if design.stream_port_bytes else {}
    local = {"local_bits": float(_local_bits(design))} if design.has_local_memory else {}
    table = {"table": 1.0} if design.table_unit else {}
    fetch_log, bank_bits = log2(fetch), log2(design.act_bytes / fetch)
    weight_banks, ways = design.weight_port_bits // 32, design.ways
    gathering = 0 if design.record_per_word else cols       # columns that gather their parameters
    places = cols // ways       # elements in a row that each have activations of their own
    lut = {
        "constant": 1.0,
        _product_name(design): design.macs_per_cycle * act_bits / 8,
        # products of digits have their sums in them
        **({} if design.splits else {"accumulator_bits": float(elements * acc_bits),
                                     "adder_bits": float(elements * (lanes - 1) * design.product_bits)}),
        "depthwise_bits": float(design.depthwise_channels * (design.product_bits + bits)),
        "row_word_bits": float(act_bits * rows * fetch),
        "rotator_bits": act_bits * fetch * fetch_log,
        "bank_address_bits": fetch * bank_bits,
        "parameter_bits": float(PARAM_BITS * (design.param_slots if gathering else 0)),
        "weight_banks": float(weight_banks),
        **requantizers, **stream, **local, **table, **pieces,
        "lut_ram_cells": float(_engine_memories(design)[1] + _piece_cells(design)),
    }
    ff = {
        "constant": 1.0,
        "element_bits": float(elements * (lanes * (act_bits / ways + held + _product_bits(design)) + dot_bits
                                          + 2 * acc_bits)),
        "skew_bits": places * (places - 1) / 2 * ways * lanes * bits,
        "row_word_bits": float(act_bits * rows * (fetch - lanes)),
        "parameter_bits": float(gathering * lanes * bits * design.param_words),
        **requantizers, **stream, **table, **pieces,
        **({"local_steps": float(elements * lanes * (act_bits + held))} if local else {}),
        "bank_bits": fetch * (18 + 2 * bank_bits),
        "weight_banks": float(weight_banks),
    }
    return {"lut": lut, "ff": ff}


def _product_name(design: DesignPoint) -> str:
    kind = MULTIPLIERS[design.multiplier]
    if kind.uses_dsp:
        return f"product_{kind.name}"
    plain = kind.magnitude is None and kind.exact(design.weight_bits) and not kind.splits
    return f"product_{'lut' if plain else kind.name}_{design.weight_bits}"


def period_terms(design: DesignPoint) -> dict[str, float]:
    """What the clock period is made of; mostly the CPU, whose own paths are the longest."""
    return {"constant": 1.0, "log_macs": log2(design.macs_per_cycle)}
