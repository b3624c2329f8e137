"""The custom instructions: encoding and exact integer answer of each. ``hw.gateware.cfu`` builds the same names.

Every instruction is a pure function of its two operands, because the CPU may deliver a command twice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hw.spec.requant import doubling_high_multiply, rounding_shift

__all__ = ["CFU_INSTRUCTIONS", "CFU_OFFSET", "CfuInstruction", "cfu_result", "corner_operands", "to_signed"]

WORD = 1 << 32
CFU_OFFSET = 128  # what DOT4_OFFSET adds to each activation: minus the usual zero point behind a ReLU


def to_signed(word: int, bits: int = 32) -> int:
    """The low ``bits`` of ``word`` in two's complement.

    >>> to_signed(0x1FF, 8)
    -1
    """
    return (word + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def _dot4(acts: int, weights: int, offset: int = 0) -> int:
    return sum((to_signed(acts >> n, 8) + offset) * to_signed(weights >> n, 8) for n in (0, 8, 16, 24))


@dataclass(frozen=True, kw_only=True)
class CfuInstruction:
    """One R-type instruction on opcode custom-0; ``golden`` takes and gives 32-bit words as plain integers."""

    name: str
    funct3: int
    funct7: int
    golden: Callable[[int, int], int]
    summary: str              # one line for the C header

    @property
    def function_id(self) -> int:
        """What the CPU puts on the CFU bus."""
        return self.funct7 << 3 | self.funct3


CFU_INSTRUCTIONS: dict[str, CfuInstruction] = {entry.name: entry for entry in (
    CfuInstruction(name="DOT4", funct3=0, funct7=0, golden=_dot4,
                   summary="sum of four int8 products"),
    CfuInstruction(name="DOT4_OFFSET", funct3=0, funct7=1, golden=lambda a, w: _dot4(a, w, CFU_OFFSET),
                   summary="the same with 128 added to each byte of the first operand"),
    CfuInstruction(name="SCALE", funct3=1, funct7=0,
                   golden=lambda v, m: doubling_high_multiply(to_signed(v), m & 0x7FFFFFFF),
                   summary="round(int32 * multiplier / 2**31), ties up; bit 31 of the multiplier is ignored"),
    CfuInstruction(name="ROUND_SHIFT", funct3=2, funct7=0,
                   golden=lambda v, s: rounding_shift(to_signed(v), s & 31),
                   summary="round(int32 / 2**shift), ties away from zero; bits 4:0 of the shift count"),
)}
_BY_ID = {entry.function_id: entry for entry in CFU_INSTRUCTIONS.values()}


def cfu_result(function_id: int, in0: int, in1: int) -> int:
    """Golden answer of one command, as an unsigned 32-bit word; an unassigned function answers 0.

    >>> cfu_result(CFU_INSTRUCTIONS["DOT4"].function_id, 0x01020304, 0x01010101)
    10
    """
    entry = _BY_ID.get(function_id)
    return entry.golden(in0 % WORD, in1 % WORD) % WORD if entry else 0


def corner_operands() -> list[tuple[int, int]]:
    """Operand pairs at the edges of every instruction: signs, extremes, halves."""
    words = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x80808080, 0x7F7F7F7F, 0x40000000, 0xC0000000, 0x80018001]
    return [(a, b) for a in words for b in (*words, 2, 5, 31)]
