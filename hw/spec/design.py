"""The design point: everything that decides what hardware is generated, and nothing else."""

from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from json import dumps

from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS

__all__ = ["DesignPoint"]

WEIGHT_BITS = (8, 4, 2)
_EXAMPLES: dict[type, str] = {int: "a plain whole number", str: 'text in "quotes"'}
PARAM_BITS = 72  # per output channel: bias 32, multiplier 32, shift 8


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

    rows: int = 2                 # output pixels in flight
    cols: int = 4                 # output channels in flight
    lanes: int = 4                # operand pairs per element and cycle
    weight_bits: int = 8          # signed weight width, bits
    act_bits: int = 8             # signed activation width, bits
    acc_bits: int = 26            # signed accumulator width, bits; the compiler proves that it never overflows
    multiplier: str = "dsp"       # a name of hw.spec.multipliers
    requantizers: int = 1         # outputs requantized per cycle
    act_bytes: int = 16384        # activation scratchpad, bytes
    weight_bytes: int = 32768     # weight and program scratchpad, bytes
    cpu: str = "vexriscv"         # the SoC's processor
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
        _power_of_two("weight_bytes", self.weight_bytes, 1024, 524288)
        _power_of_two("requantizers", self.requantizers, 1, self.cols)
        if self.weight_bits not in WEIGHT_BITS:
            raise SpecError(f"weight_bits={self.weight_bits}: choose 8, 4 or 2")
        if self.act_bits != 8:
            raise SpecError(f"act_bits={self.act_bits}: the engine's activations are 8 bits; set act_bits to 8")
        if self.multiplier not in MULTIPLIERS:
            raise SpecError(f"multiplier={self.multiplier!r}: choose {' or '.join(MULTIPLIERS)}")
        if not self.product_bits <= self.acc_bits <= 32:
            raise SpecError(f"acc_bits={self.acc_bits}: {self.lanes} products of {self.act_bits}x{self.weight_bits} "
                            f"bits need {self.product_bits} and the requantizer takes 32; choose a width between")
        if not 4 <= self.fetch_bytes <= 64:
            raise SpecError(f"rows={self.rows}, lanes={self.lanes}: the activation port is rows*lanes = "
                            f"{self.fetch_bytes} bytes wide and must be 4 to 64; change rows or lanes")
        if not 8 <= self.weight_word_bits <= 512:
            raise SpecError(f"cols={self.cols}, lanes={self.lanes}: the weight port is {self.weight_word_bits} bits "
                            f"wide and must be 8 to 512; change cols, lanes or weight_bits")
        if self.requantizers > self.fetch_bytes:
            raise SpecError(f"requantizers={self.requantizers}: the activation port takes {self.fetch_bytes} bytes "
                            f"a cycle; lower requantizers or raise rows or lanes")
        if self.cpu != "vexriscv":
            raise SpecError(f"cpu={self.cpu!r}: choose 'vexriscv'")

    @property
    def macs_per_cycle(self) -> int:
        return self.rows * self.cols * self.lanes

    @property
    def product_bits(self) -> int:
        """Width of one element's sum of products, bits."""
        return self.act_bits + self.weight_bits + (self.lanes - 1).bit_length()

    @property
    def fetch_bytes(self) -> int:
        """Width of the activation port, bytes: one row's operands for ``rows`` cycles."""
        return self.rows * self.lanes

    @property
    def weight_word_bits(self) -> int:
        """Bits of weights that the array takes in one cycle."""
        return self.cols * self.lanes * self.weight_bits

    @property
    def weight_port_bits(self) -> int:
        """Width of the weight scratchpad, bits; at least one bus word."""
        return max(32, self.weight_word_bits)

    @property
    def param_words(self) -> int:
        """Weight words that carry the bias, multiplier and shift of ``cols`` channels."""
        return -(-PARAM_BITS // (self.lanes * self.weight_bits))

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

    def hardware(self) -> dict[str, int | str]:
        """The fields that decide the gateware, by name: all but the default board."""
        return {name: value for name, value in asdict(self).items() if name != "board"}

    @property
    def fingerprint(self) -> int:
        """32 bits that identify the hardware; the engine shows them in its ``ID`` register."""
        return int.from_bytes(sha256(dumps(self.hardware(), sort_keys=True).encode()).digest()[:4], "little")

    @property
    def label(self) -> str:
        """Short name for tables: ``2x4x4 w8 dsp r1``."""
        return (f"{self.rows}x{self.cols}x{self.lanes} w{self.weight_bits} "
                f"{self.multiplier} r{self.requantizers}")
