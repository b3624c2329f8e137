"""A multiplier's RTL over every pair of operands, and the noise that it adds."""

from pathlib import Path

import numpy as np

from cosim.process import exchange
from cosim.verilate import verilate
from hw.emit.verilog import multiplier_verilog
from hw.spec.feedback import NoiseProfile
from hw.tools import version

__all__ = ["multiplier_table", "noise_profile", "simulate_multiplier"]

LIMIT_S = 300


def multiplier_table(kind: str, weight_bits: int, out: Path) -> np.ndarray:
    """Products of the RTL of multiplier ``kind``, simulated in folder ``out``.

    Returns
    -------
    int32 ``(256, 2**weight_bits)``: entry ``[a, w]`` is the product of activation ``a - 128`` and weight
    ``w - 2**(weight_bits - 1)``.
    """
    return simulate_multiplier(multiplier_verilog(kind, weight_bits), weight_bits, out)


def simulate_multiplier(verilog: str, weight_bits: int, out: Path) -> np.ndarray:
    """As :func:`multiplier_table`, from a module ``heddle_multiplier`` with the ports of ``hw.gateware``'s."""
    out.mkdir(parents=True, exist_ok=True)
    source = out / "heddle_multiplier.v"
    source.write_text(verilog, encoding="utf-8")
    program = verilate([source], "heddle_multiplier", [Path(__file__).with_name("multiplier.cpp")], out,
                       defines=[f"WEIGHT_BITS={weight_bits}"], optimize=1)
    return np.frombuffer(exchange(program, b"", limit_s=LIMIT_S), "<i4").reshape(256, 1 << weight_bits).astype(np.int32)


def noise_profile(kind: str, table: np.ndarray) -> NoiseProfile:
    """Mean and variance, for each weight over all activations, of what :func:`multiplier_table` differs from exact."""
    weights = table.shape[1]
    exact = np.arange(-128, 128)[:, None] * np.arange(-weights // 2, weights // 2)
    error = (table - exact).astype(np.float64)
    return NoiseProfile(multiplier=kind, weight_bits=weights.bit_length() - 1, mean=tuple(error.mean(0).tolist()),
                        variance=tuple(error.var(0).tolist()), pairs=table.size,
                        simulator=f"Verilator {version('verilator_bin')}")
