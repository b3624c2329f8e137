"""PicoRV32: a small CPU without caches; about four clock cycles an instruction."""

from hw.soc.cpus._cpu import Cpu

__all__ = ["CPU"]

# Its traps are interrupts 1 and 2, entered at the reset address + 16 and handled by instructions of its own. All are
# masked after reset, and a masked trap halts the CPU for good.
UNMASK_TRAPS = "0xfffffff9"
START = (
    "j 1f",
    ".zero 12",                                 # up to the entry of traps
    "j trap_entry",
    f"1: li t0, {UNMASK_TRAPS}",
    ".insn r 0x0b, 6, 3, zero, t0, zero",       # maskirq
)
TRAP = (
    # Pending interrupts, 2 for an illegal instruction, an ecall or an ebreak and 4 for an access that is not aligned:
    # mcause's numbers for an illegal instruction and for a load that is not aligned.
    ".insn r 0x0b, 4, 0, a0, x1, zero",         # getq a0, q1
    ".insn r 0x0b, 4, 0, a1, x0, zero",         # getq a1, q0: the next instruction's address
    "addi a1, a1, -4",
    "li a2, 0",
    # Only a return from the interrupt makes room for the next one.
    "la t0, 1f",
    ".insn r 0x0b, 2, 1, x0, t0, zero",         # setq q0, t0
    ".insn r 0x0b, 0, 2, zero, zero, zero",     # retirq
    "1:",
)

CPU = Cpu(
    name="picorv32", title="PicoRV32", litex_type="picorv32", litex_variant="standard",
    package="pythondata-cpu-picorv32", verilog=("picorv32.v",), march="rv32im", mabi="ilp32", start=START, trap=TRAP,
    cycle_csr="cycle")
