"""The design point: everything that decides what hardware is generated, and nothing else."""

import re
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from json import dumps

from hw.spec.digits import piece_bits, place_bits
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS, check_kind
from hw.spec.registers import LEAST_TICKET_BITS
from hw.spec.requant import check_variant

__all__ = ["FIRMWARE_BYTES", "LOCAL_WORDS", "SPRAM_ROW_BYTES", "SPRAM_TOTAL_BYTES", "WEIGHT_REGION_BITS", "DesignPoint"]

WEIGHT_BITS = (8, 4, 2, 1)       # 1: binary, a set bit is -1
ACT_BITS = (8, 4)
ENGINES = ("wide", "compact")
MEMORIES = ("bram", "spram")
DATAFLOWS = ("output", "weight")
STREAM_BYTES = (0, 2, 4)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
SPRAM_BYTES = 8                  # width of the four 16-bit memories of an iCE40 UP5K, bytes
SPRAM_ROW_BYTES = 4              # of them that one write may change
SPRAM_TOTAL_BYTES = 131072       # of all four
FIRMWARE_BYTES = 5120            # at their end, for the firmware of a SoC that has hardly another memory
_EXAMPLES: dict[type, str] = {int: "a plain whole number", str: 'text in "quotes"', bool: "true or false"}
LOCAL_WORDS = 16    # kernel rows, or steps, whose operands an element can keep
_AS_EVER = {"table_unit": False, "layer_log": True}     # units that say nothing of a design that has no other
PARAM_BITS = 72  # per output channel: bias 32, multiplier 32, shift 8
WEIGHT_REGION_BITS = 11    # words of a weight bank behind one output register, so that none has to cross the device


def _power_of_two(name: str, value: int, low: int, high: int) -> None:
    if value not in (choices := [1 << n for n in range(24) if low <= 1 << n <= high]):
        raise SpecError(f"{name}={value}: choose a power of two, one of {', '.join(map(str, choices))}")


@dataclass(frozen=True, kw_only=True)
class DesignPoint:
    """One accelerator: an output-stationary array of ``rows`` x ``cols`` dot-product elements of ``lanes`` pairs.

    Rows take different output pixels, columns different output channels, lanes neighbouring input channels,
    so one cycle performs ``rows * cols * lanes`` multiply-accumulates.

    Raises
    ------
    SpecError
        If a field, or a combination of fields, cannot be built.
    """

    engine: str = "wide"          # kind: "wide", or "compact": built for size, on memory="spram"
    rows: int = 2                 # output pixels in flight
    cols: int = 4                 # output channels in flight
    lanes: int = 4                # operand pairs per element and cycle
    weight_bits: int = 8          # signed weight width, bits
    act_bits: int = 8             # signed activation width, bits
    acc_bits: int = 26            # signed accumulator width, bits; the compiler proves that it never overflows
    multiplier: str = "dsp"       # a name of hw.spec.multipliers
    requantizers: int = 1         # requantizers side by side
    requantizer_cycles: int = 1   # clock cycles that a requantizer takes for one output
    requantizer_dsps: int = 4     # multiplier blocks in a requantizer
    depthwise_taps: int = 1       # taps of a kernel row that an element multiplies per cycle in a depthwise layer
    dataflow: str = "output"      # "output"-stationary, or "weight": elements keep a block's weights where they fit
    memory: str = "bram"          # of the activations: "bram", or the single-port "spram" of an iCE40 UP5K
    act_bytes: int = 16384        # activation scratchpad, activations of act_bits; spram: streamed weights as well
    weight_bytes: int = 32768     # weight and program scratchpad, bytes
    stream_bytes: int = 0         # bytes per cycle of the external memory that weights stream from; 0: none
    table_unit: bool = False      # outputs may go through a table of 256 bytes on their way to the memory
    layer_log: bool = True        # the engine counts the cycles of each layer; without, only those of a run
    cpu: str = "vexriscv"         # the SoC's processor, a name of hw.soc.cpus
    board: str = "ulx3s-25"       # default board

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kind = type(field.default)
            if type(value) is not kind:
                raise SpecError(f"{field.name}={value!r}: expected {kind.__name__}, "
                                f"got {type(value).__name__}; write it as {_EXAMPLES[kind]}")
        _power_of_two("rows", self.rows, 1, 16)
        _power_of_two("cols", self.cols, 1, 16)
        _power_of_two("lanes", self.lanes, 1, 16)
        _power_of_two("act_bytes", self.act_bytes, 1024, 131072)
        if self.weight_bytes % 1024 or not 1024 <= self.weight_bytes <= 524288:
            raise SpecError(f"weight_bytes={self.weight_bytes}: choose a multiple of 1024 from 1024 to 524288")
        _power_of_two("depthwise_taps", self.depthwise_taps, 1, self.lanes)
        for name, choices in (("engine", ENGINES), ("weight_bits", WEIGHT_BITS), ("act_bits", ACT_BITS),
                              ("memory", MEMORIES), ("dataflow", DATAFLOWS), ("stream_bytes", STREAM_BYTES),
                              ("requantizer_cycles", (1, 2, 4)), ("requantizer_dsps", (4, 2, 0))):
            if getattr(self, name) not in choices:
                raise SpecError(f"{name}={getattr(self, name)!r}: choose {', '.join(map(repr, choices))}")
        check_variant(cycles=self.requantizer_cycles, dsps=self.requantizer_dsps)
        if self.multiplier not in MULTIPLIERS:
            raise SpecError(f"multiplier={self.multiplier!r}: choose {' or '.join(MULTIPLIERS)}")
        check_kind(MULTIPLIERS[self.multiplier], weight_bits=self.weight_bits, act_bits=self.act_bits,
                   lanes=self.lanes, cols=self.cols)
        _power_of_two("requantizers", self.requantizers, 1, self.most_tile_cols)
        if not self.product_bits <= self.acc_bits <= 32:
            raise SpecError(f"acc_bits={self.acc_bits}: {self.lanes} products of {self.act_bits}x{self.weight_bits} "
                            f"bits need {self.product_bits} and the requantizer takes 32; choose a width between")
        if self.sum_bits > 32:
            raise SpecError(f"acc_bits={self.acc_bits}: {self.digits} sums of digits make one of {self.sum_bits} bits "
                            f"and the requantizer takes 32; lower acc_bits to {self.acc_bits - self.sum_bits + 32}")
        if not 4 <= self.fetch_bytes <= 64:
            raise SpecError(f"rows={self.rows}, lanes={self.lanes}: the activation port is rows*lanes = "
                            f"{self.fetch_bytes} bytes wide and must be 4 to 64; change rows or lanes")
        if not 16 <= self.weight_word_bits <= 512:
            raise SpecError(f"cols={self.cols}, lanes={self.lanes}: the weight port is {self.weight_word_bits} bits "
                            f"wide and must be 16 to 512; change cols, lanes or weight_bits")
        if self.network_bytes <= 0:
            raise SpecError(f"act_bytes={self.act_bytes}: with memory='spram' {FIRMWARE_BYTES} of them are the "
                            f"firmware's; choose {1 << FIRMWARE_BYTES.bit_length()} or more")
        if self.memory == "spram" and self.stream_bytes:
            raise SpecError(f"stream_bytes={self.stream_bytes}: with memory='spram' weights stream from there; "
                            f"set stream_bytes to 0")
        if self.stream_port_bytes and self.weight_word_bits < 32:
            streams = "memory='spram'" if self.memory == "spram" else f"stream_bytes={self.stream_bytes}"
            raise SpecError(f"{streams}: streamed weights need a weight port of 32 bits or more, "
                            f"this one has {self.weight_word_bits}; raise cols, lanes or weight_bits")
        if self.requantizers > self.fetch_bytes:
            raise SpecError(f"requantizers={self.requantizers}: the activation port takes {self.fetch_bytes} bytes "
                            f"a cycle; lower requantizers or raise rows or lanes")
        if self.memory == "spram" and (self.rows * self.lanes > SPRAM_BYTES or self.act_bits != 8):
            raise SpecError(f"memory='spram': its port is {SPRAM_BYTES} bytes wide; choose rows*lanes of at most "
                            f"{SPRAM_BYTES} and act_bits=8")
        if self.memory == "spram" and self.rows > 1:
            raise SpecError(f"memory='spram', rows={self.rows}: the port has time for the outputs of one row per tile; "
                            f"lower rows to 1 and raise lanes")
        if self.memory == "spram" and self.cols > SPRAM_ROW_BYTES:
            raise SpecError(f"memory='spram', cols={self.cols}: the outputs of an array row are stored with one access "
                            f"of {SPRAM_ROW_BYTES} bytes; lower cols to {SPRAM_ROW_BYTES}")
        if not _NAME.fullmatch(self.cpu):
            raise SpecError(f"cpu={self.cpu!r}: give the name of a CPU, in lower case")
        if self.engine == "compact":
            self._check_compact()

    def _check_compact(self) -> None:
        """One row of columns that work in the same cycle, no memories in elements, one serial requantizer."""
        ways = MULTIPLIERS[self.multiplier].ways
        for field, fits, rule, remedy in (
                ("memory", self.memory == "spram", "lies around the single-port memory", "set memory='spram'"),
                ("weight_bits", self.weight_bits > 1, "has no binary weights", "raise weight_bits"),
                ("multiplier", not self.splits, "has elements of one precision", "choose another multiplier"),
                ("multiplier", ways == 1, f"takes a product of each multiplier, and this one gives {ways}",
                 "choose another multiplier"),
                ("dataflow", self.dataflow == "output", "has no memories in its elements", "set dataflow='output'"),
                ("depthwise_taps", self.depthwise_taps == 1, "has no memories in its elements",
                 "set depthwise_taps=1"),
                ("requantizers", self.requantizers == 1, "has one requantizer", "set requantizers=1"),
                ("requantizer_cycles", self.requantizer_cycles > 1, "has a requantizer of several cycles",
                 "raise requantizer_cycles to 2 or 4"),
                ("weight_bits", self.weight_word_bits >= PARAM_BITS,
                 f"takes a channel's {PARAM_BITS} bits of parameters from one weight word, and with cols={self.cols}, "
                 f"lanes={self.lanes} this one has {self.weight_word_bits}", "raise weight_bits, cols or lanes")):
            if not fits:
                raise SpecError(f"{field}={getattr(self, field)!r}: the compact engine {rule}; "
                                f"{remedy}, or set engine='wide'")

    @property
    def macs_per_cycle(self) -> int:
        return self.rows * self.cols * self.lanes

    @property
    def product_bits(self) -> int:
        """Width of one element's sum of products, bits; also holds -128 times a binary weight of -1."""
        return self.act_bits + self.weight_bits + (self.lanes - 1).bit_length()

    @property
    def digits(self) -> int:
        """Of a byte of weights, that an element multiplies and sums up apart; 1: it sums up products."""
        return MULTIPLIERS[self.multiplier].digits

    @property
    def place_bits(self) -> int:
        """From a digit to the next."""
        return place_bits(self.digits)

    @property
    def splits(self) -> int:
        """How often a layer may halve its weights; each time there are twice as many for twice the output channels."""
        return MULTIPLIERS[self.multiplier].splits

    @property
    def paying_bits(self) -> tuple[int, ...]:
        """Widths of weights that save cycles and memory against the next wider one, widest first. A weight of another
        width takes what the next wider one of these takes."""
        return tuple(piece_bits(split) if self.splits else self.weight_bits for split in range(self.splits + 1))

    @property
    def most_tile_cols(self) -> int:
        """Output channels of a tile that is not depthwise: a column has one, or one for each piece of its weights."""
        return self.cols << self.splits

    @property
    def most_added_cols(self) -> int:
        """The same of a residual add, whose other operand comes in one fetch."""
        return min(self.most_tile_cols, self.fetch_bytes)

    @property
    def digit_bits(self) -> int:
        """With ``splits``: width of the accumulators of digits, whose sums together reach as far as ``acc_bits``."""
        return self.acc_bits - self.place_bits * (self.digits - 1)

    @property
    def sum_bits(self) -> int:
        """Width of an element's sum as the requantizer gets it."""
        return self.acc_bits + 1 if self.splits else self.acc_bits

    @property
    def param_slots(self) -> int:
        """Output channels whose parameters lie in memories of their own, to be read in one cycle."""
        return max(self.cols, self.requantizers)

    @property
    def fetch_bytes(self) -> int:
        """Width of the activation port, activations: one row's operands for ``fetch_steps`` cycles."""
        return SPRAM_BYTES if self.memory == "spram" else self.rows * self.lanes

    @property
    def fetch_steps(self) -> int:
        """Steps of ``lanes`` activations in one fetched word; at least ``rows``."""
        return self.fetch_bytes // self.lanes

    @property
    def stream_port_bytes(self) -> int:
        """Bytes per cycle at which weights stream into their scratchpad; 0 where all of them stay in it."""
        return SPRAM_BYTES if self.memory == "spram" else self.stream_bytes

    @property
    def network_bytes(self) -> int:
        """Activations in ``act_bytes`` that networks may use."""
        return self.act_bytes - (FIRMWARE_BYTES if self.memory == "spram" else 0)

    @property
    def weight_word_bits(self) -> int:
        """Bits of weights that the array takes in one cycle."""
        return self.cols * self.lanes * self.weight_bits

    @property
    def weight_port_bits(self) -> int:
        """Width of the weight scratchpad, bits; at least one bus word and what streams in a cycle."""
        return max(32, self.weight_word_bits, 8 * self.stream_port_bytes)

    @property
    def weights_wrap(self) -> bool:
        """A weight word behind the scratchpad's end is read from its beginning; else nothing is said of it."""
        depth = 8 * self.weight_bytes // self.weight_port_bits
        return depth & depth - 1 == 0 and depth <= 1 << WEIGHT_REGION_BITS

    @property
    def record_per_word(self) -> bool:
        """A channel's parameters lie in one weight word, not in its column's part of several."""
        return self.requantizers == 1 and self.weight_word_bits >= PARAM_BITS

    @property
    def param_words(self) -> int:
        """Weight words that carry the bias, multiplier and shift of ``cols`` channels."""
        return self.cols if self.record_per_word else -(-PARAM_BITS // (self.lanes * self.weight_bits))

    @property
    def table_entries(self) -> int:
        """Entries of the table that are loaded in a cycle: those of a weight word, as far as one block RAM takes them.
        """
        return min(2 if self.memory == "spram" else 4, self.weight_word_bits // 8)

    @property
    def has_local_memory(self) -> bool:
        """Elements keep weights of their own."""
        return self.depthwise_taps > 1 or self.dataflow == "weight"

    @property
    def ways(self) -> int:
        """Neighbouring columns in one processing element."""
        return self.cols if self.engine == "compact" else MULTIPLIERS[self.multiplier].ways

    @property
    def element_stages(self) -> int:
        """Clock cycles from operands at a processing element to their finished sum. Memories inside it take one of
        them, and so do multiplier blocks with registers of their own; digits of base 4 need no cycle between product
        and sum."""
        return (5 if self.has_local_memory or self.engine == "compact" else 4) - (self.digits == 4)

    @property
    def select_stages(self) -> int:
        """Clock cycles from finished sums to the requantizer that takes one; more than two sums of digits are added on
        the way."""
        return 2 if self.digits == 4 else 1

    @property
    def shifts_totals(self) -> bool:
        """A row's finished sums move past the requantizer, which takes them as they come, instead of being selected."""
        return self.engine == "compact"

    @property
    def selects_channels(self) -> bool:
        """In a depthwise layer an element takes one lane, its channel's; else all, with weights of 0 for the others."""
        return self.engine == "wide"

    @property
    def compares_steps(self) -> bool:
        """A segment ends where its steps are counted up to its length; else they are counted down from it."""
        return self.engine == "compact"

    @property
    def maximum_bits(self) -> slice:
        """Bits of a sum, signed, that decide which is the largest; with ``splits`` sums are compared in pools only."""
        if self.engine == "wide":
            return slice(0, self.product_bits)
        # a maximum is of single products with one power of two, that of all pools
        return slice(self.weight_bits - 2, self.weight_bits - 2 + self.act_bits)

    @property
    def tail_cols_bits(self) -> int:
        """Low bits of the command's ``tail_cols`` that decide which outputs are stored."""
        return self.most_tile_cols.bit_length() if self.engine == "wide" else 5

    @property
    def word_stays(self) -> bool:
        """The activation memory gives a fetched word until the next fetch."""
        return self.engine == "compact"

    @property
    def weight_stages_behind(self) -> int:
        """Of the registers on the way from a weight's address to the array, those behind the memory. It is far from
        the array where it is large; a small design has them in front of it, where there are fewer bits."""
        return 0 if self.engine == "compact" else 2

    @property
    def control_apart(self) -> bool:
        """Nothing that steers the engine lies in a memory that has an inference's data, too."""
        return self.engine == "wide"

    @property
    def registers_in_log(self) -> bool:
        """The bus's registers that the engine does not need lie in the layer log's memory."""
        return self.engine == "compact" and self.layer_log

    @property
    def ticket_bits(self) -> int:
        """Width of a ticket: the low bits of what is written that count."""
        return 32 if self.engine == "wide" or self.layer_log else LEAST_TICKET_BITS

    @property
    def weights_readable(self) -> bool:
        """The bus reads back what it wrote to the weight scratchpad; else 0."""
        return self.engine == "wide"

    @property
    def depthwise_rows(self) -> int:
        return min(self.rows, self.lanes)

    @property
    def depthwise_cols(self) -> int:
        return min(self.cols, self.lanes)

    @property
    def depthwise_channels(self) -> int:
        """Channels, one per element, that a depthwise tile works on."""
        return self.depthwise_rows * self.depthwise_cols

    @property
    def logged(self) -> "DesignPoint":
        """The same with a layer log, which changes nothing else: what is simulated where layers are looked at."""
        return replace(self, layer_log=True)

    def hardware(self) -> dict[str, int | str]:
        """The fields that decide the engine, by name: all but what stands around it, and units that are as ever."""
        return {name: value for name, value in asdict(self).items()
                if name not in ("cpu", "board") and _AS_EVER.get(name) is not value}

    @property
    def fingerprint(self) -> int:
        """32 bits that identify the hardware to programs, which a log is nothing to; the engine shows them in its
        ``ID`` register.
        """
        return int.from_bytes(sha256(dumps(self.logged.hardware(), sort_keys=True).encode()).digest()[:4], "little")

    @property
    def label(self) -> str:
        """Short name for tables: ``2x4x4 w8 dsp r1``."""
        return (f"{self.rows}x{self.cols}x{self.lanes} w{self.weight_bits} "
                f"{self.multiplier} r{self.requantizers}{' table' if self.table_unit else ''}")
