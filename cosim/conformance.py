"""Every multiplier kind at every width that it takes, as RTL, over every pair of operands."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cosim.process import exchange
from cosim.verilate import verilate
from hw.emit.verilog import products_verilog
from hw.spec.multipliers import MULTIPLIERS, MultiplierKind, product, weight_value

__all__ = ["Case", "cases", "requests", "simulate", "wrong"]

LIMIT_S = 300
LANES = 2       # the most that share a multiplier
WAYS = 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """``hw.gateware``'s ``Products`` of a kind at a width."""

    kind: MultiplierKind
    weight_bits: int
    act_bits: int

    def __str__(self) -> str:
        return f"{self.kind.name} {self.act_bits}x{self.weight_bits}"

    def verilog(self, name: str) -> str:
        return products_verilog(self.kind.name, weight_bits=self.weight_bits, act_bits=self.act_bits, lanes=LANES,
                                name=name)


def cases() -> list[Case]:
    """All of the registry."""
    return [Case(kind=kind, weight_bits=weight_bits, act_bits=act_bits) for kind in MULTIPLIERS.values()
            for weight_bits in kind.product_bits for act_bits in kind.act_bits]


def requests(seed: int = 1, extra: int = 4096) -> np.ndarray:
    """Operands uint8 ``(N, 8)``: activations of two lanes, weights of two ways of two lanes, two zeros.

    Every lane and way sees every pair of bytes, so their low bits are every pair of narrower operands; each lane also
    sees its activation with every pair of 4-bit weights. Then ``extra`` random rows.
    """
    index = np.arange(1 << 16)
    other = (index * 40503 + 12345) & 0xFFFF      # odd factor: a permutation
    rows = np.zeros((len(index) + extra, 8), np.uint8)
    for lane, number in enumerate((index, other)):
        rows[:len(index), lane] = number >> 8
        rows[:len(index), 2 + lane] = number & 255
        rows[:len(index), 4 + lane] = (number & 15) << 4 | number >> 4 & 15    # nibbles swapped
    rows[len(index):, :6] = np.random.default_rng(seed).integers(0, 256, (extra, 6))
    return rows


def simulate(modules: list[tuple[Case, str]], rows: np.ndarray, out: Path) -> np.ndarray:
    """Products int64 ``(case, row, way, lane)`` of Verilog, simulated in folder ``out``; zero beyond a case's ways.

    ``modules`` holds the text of each case's module, whose name is ``case`` and its number.
    """
    out.mkdir(parents=True, exist_ok=True)
    source = out / "heddle_conformance.v"
    source.write_text("\n".join([*(text for _, text in modules), _top([case for case, _ in modules])]),
                      encoding="utf-8")
    program = verilate([source], "heddle_conformance", [Path(__file__).with_suffix(".cpp")], out,
                       defines=[f"CASES={len(modules)}"], optimize=1)
    answers = np.frombuffer(exchange(program, rows.tobytes(), limit_s=LIMIT_S), "<i2")
    return answers.reshape(len(rows), len(modules), WAYS, LANES).transpose(1, 0, 2, 3).astype(np.int64)


def wrong(case: Case, rows: np.ndarray, found: np.ndarray) -> list[str]:
    """The rows of ``found``, one case's answers, that differ from ``hw.spec.multipliers.product``, in words.

    Operands that the kind does not take are left out.
    """
    texts = []
    codes, acts = 1 << case.weight_bits, 1 << case.act_bits
    values = [weight_value(code, case.weight_bits) for code in range(codes)]
    signed = [act - (act >> case.act_bits - 1) * acts for act in range(acts)]
    golden = np.array([[product(case.kind, act, value, weight_bits=case.weight_bits) for value in values]
                       for act in signed])
    taken = np.isin(values, case.kind.weights(case.weight_bits))
    rows = rows.astype(np.int64)
    weights = rows[:, 2:6].reshape(-1, WAYS, LANES)[:, :case.kind.ways] % codes
    row_taken = taken[weights].all(axis=(1, 2))
    for way, lane in np.ndindex(case.kind.ways, LANES):
        act, weight = rows[:, lane] % acts, weights[:, way, lane]
        want, got = golden[act, weight], found[:, way, lane]
        texts += [f"{case}, way {way}, lane {lane}: {signed[act[row]]} * {values[weight[row]]} gave {got[row]}, "
                  f"not {want[row]}" for row in np.flatnonzero((want != got) & row_taken)]
    return texts


def _top(listed: list[Case]) -> str:
    """Module ``heddle_conformance``: the cases side by side on the low bits of shared operands."""
    lines = ["module heddle_conformance(input [15:0] acts, input [31:0] weights, "
             f"output [{64 * len(listed) + 63}:0] products);", f"assign products[{64 * len(listed)} +: 64] = 64'd0;"]
    for number, case in enumerate(listed):
        ways, width = case.kind.ways, case.act_bits + case.weight_bits
        acts = ", ".join(f"acts[{8 * lane} +: {case.act_bits}]" for lane in reversed(range(LANES)))
        weights = ", ".join(f"weights[{8 * place} +: {case.weight_bits}]" for place in reversed(range(LANES * ways)))
        lines += [f"wire [{width * LANES * ways - 1}:0] p{number};",
                  f"case{number} c{number}(.acts({{{acts}}}), .weights({{{weights}}}), .products(p{number}));"]
        for place in range(LANES * WAYS):
            value = f"$signed(p{number}[{width * place} +: {width}])" if place < LANES * ways else "16'd0"
            lines.append(f"assign products[{64 * number + 16 * place} +: 16] = {value};")
    return "\n".join([*lines, "endmodule", ""])
