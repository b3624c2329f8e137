"""SERV: the smallest RISC-V CPU, bit by bit; thirty-two clock cycles and more an instruction."""

from hw.soc.cpus._cpu import Cpu

__all__ = ["CPU"]

PARTS = ("aligner", "alu", "bufreg", "bufreg2", "compdec", "csr", "ctrl", "decode", "immdec", "mem_if", "rf_if",
         "rf_ram", "rf_ram_if", "rf_top", "state", "top")

# It traps for ecall, ebreak and accesses that are not aligned; an illegal instruction does anything.
CPU = Cpu(
    name="serv", title="SERV", litex_type="serv", litex_variant="standard", package="pythondata-cpu-serv",
    verilog=tuple(f"rtl/serv_{part}.v" for part in PARTS), march="rv32i", mabi="ilp32",
    start=("la t0, trap_entry", "csrw mtvec, t0", "csrw mie, zero"),
    trap=("csrr a0, mcause", "csrr a1, mepc", "csrr a2, mtval"), cycle_csr=None)
