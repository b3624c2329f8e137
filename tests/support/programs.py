"""Random RISC-V programs with custom instructions, and what they must output."""

import random
from pathlib import Path

from hw.soc.cpus import CustomPort
from hw.spec.cfu import CFU_INSTRUCTIONS, cfu_result, to_signed
from hw.tools import run

__all__ = ["assemble", "random_program", "start"]

REGISTERS = [f"s{n}" for n in range(12)]
DATA, DATA_WORDS = 0x8000, 2048      # twice the data cache, so that most loads miss
UNCACHED = 0x80000000
CFU = list(CFU_INSTRUCTIONS.values())
WORD = 1 << 32


def start(port: CustomPort) -> str:
    """Assembler text that begins a program: interrupts on, custom instructions let through."""
    return f"""
    .globl _start
_start:
    j begin
    .balign 4
trap:
    csrw mscratch, t0
    li t0, 0xF0000004
    sw zero, 0(t0)
    csrr t0, mscratch
    mret
begin:
    la t0, trap
    csrw mtvec, t0
    li t0, {port.enable | 1:#x}
    csrw {port.enable_csr:#x}, t0
    li t0, 0x800
    csrw mie, t0
    csrwi mstatus, 8
    li a0, 0xF0000000
    li a1, {DATA:#x}
    li a2, {DATA + UNCACHED:#x}
"""


class Machine:
    """Writes instructions and does at once what they do."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.text: list[str] = []
        self.values = dict.fromkeys(REGISTERS, 0)
        self.data = [self.rng.getrandbits(32) for _ in range(DATA_WORDS)]
        self.initial = list(self.data)
        self.outputs: list[int] = []
        self.custom = 0              # custom instructions that are executed
        self.labels = 0

    def register(self) -> str:
        return self.rng.choice(REGISTERS)

    def load_immediates(self) -> None:
        for name in REGISTERS:
            self.values[name] = self.rng.getrandbits(32)
            self.text.append(f"li {name}, {self.values[name]:#x}")

    def cfu(self, *, shadow: bool = False) -> None:
        """One custom instruction; in the shadow of a taken branch it is written but not done."""
        entry, d, a, b = self.rng.choice(CFU), self.register(), self.register(), self.register()
        self.text.append(f".insn r CUSTOM_0, {entry.funct3}, {entry.funct7}, {d}, {a}, {b}")
        if not shadow:
            self.values[d] = cfu_result(entry.function_id, self.values[a], self.values[b])
            self.custom += 1

    def load(self) -> None:
        """Cached or not; the next instruction may be a custom one that takes the word."""
        index, d = self.rng.randrange(DATA_WORDS), self.register()
        base = self.rng.choice(["a1", "a1", "a2"])
        self.text += [f"li t1, {4 * index}", f"add t1, t1, {base}", f"lw {d}, 0(t1)"]
        self.values[d] = self.data[index]
        if self.rng.random() < 0.7:
            entry, target = self.rng.choice(CFU), self.register()
            self.text.append(f".insn r CUSTOM_0, {entry.funct3}, {entry.funct7}, {target}, {d}, {d}")
            self.values[target] = cfu_result(entry.function_id, self.values[d], self.values[d])
            self.custom += 1

    def store(self) -> None:
        """Only through the cache, which writes through; what is uncached would not see a cached line change."""
        index, source = self.rng.randrange(DATA_WORDS), self.register()
        self.text += [f"li t1, {4 * index}", "add t1, t1, a1", f"sw {source}, 0(t1)"]
        self.data[index] = self.values[source]

    def branch(self) -> None:
        """Over a few custom instructions, taken or not."""
        a, b = self.register(), self.register()
        kind, taken = self.rng.choice([
            ("beq", self.values[a] == self.values[b]), ("bne", self.values[a] != self.values[b]),
            ("blt", to_signed(self.values[a]) < to_signed(self.values[b])),
            ("bgeu", self.values[a] >= self.values[b])])
        label, self.labels = f"over{self.labels}", self.labels + 1
        self.text.append(f"{kind} {a}, {b}, {label}")
        for _ in range(self.rng.randrange(1, 4)):
            self.cfu(shadow=taken)
        self.text.append(f"{label}:")

    def arithmetic(self) -> None:
        d, a, b = self.register(), self.register(), self.register()
        kind = self.rng.choice(["add", "mul", "divu"])
        self.text.append(f"{kind} {d}, {a}, {b}")
        x, y = self.values[a], self.values[b]
        self.values[d] = {"add": x + y, "mul": x * y, "divu": x // y if y else WORD - 1}[kind] % WORD

    def output(self) -> None:
        name = self.register()
        self.text.append(f"sw {name}, 0(a0)")
        self.outputs.append(self.values[name])

    def loop(self) -> None:
        """A counted loop around a custom instruction, so that branches are predicted and mispredicted."""
        entry, d, count = self.rng.choice(CFU), self.register(), self.rng.randrange(2, 6)
        label, self.labels = f"again{self.labels}", self.labels + 1
        self.text += [f"li t2, {count}", f"{label}:", "addi t2, t2, -1",
                      f".insn r CUSTOM_0, {entry.funct3}, {entry.funct7}, {d}, {d}, t2", f"bnez t2, {label}"]
        for n in reversed(range(count)):
            self.values[d] = cfu_result(entry.function_id, self.values[d], n)
        self.custom += count


def random_program(port: CustomPort, seed: int, steps: int = 150) -> tuple[str, list[int], list[int], int]:
    """Assembler text, words of its data, the outputs it must give and the custom instructions it executes."""
    machine = Machine(seed)
    machine.load_immediates()
    kinds = [machine.cfu, machine.cfu, machine.load, machine.store, machine.branch, machine.arithmetic, machine.output,
             machine.loop]
    for _ in range(steps):
        machine.rng.choice(kinds)()
    for name in REGISTERS:
        machine.text.append(f"sw {name}, 0(a0)")
        machine.outputs.append(machine.values[name])
    machine.text += ["sw zero, 8(a0)", "end: j end"]
    return start(port) + "\n".join(machine.text) + "\n", machine.initial, machine.outputs, machine.custom


def assemble(text: str, data: list[int], folder: Path) -> bytes:
    """The program's memory from address 0, its data from DATA."""
    (folder / "program.S").write_text(text)
    run(["riscv64-unknown-elf-gcc", "-march=rv32im_zicsr", "-mabi=ilp32", "-nostdlib", "-nostartfiles", "-Wl,-Ttext=0",
         "-Wl,--no-warn-rwx-segments", "program.S", "-o", "program.elf"], cwd=folder, timeout_s=60, log=folder / "log")
    run(["riscv64-unknown-elf-objcopy", "-O", "binary", "-j", ".text", "program.elf", "program.bin"], cwd=folder,
        timeout_s=60, log=folder / "log")
    code = (folder / "program.bin").read_bytes()
    if len(code) > DATA:
        raise ValueError(f"{len(code)} bytes of code reach into the data at {DATA:#x}; take fewer steps")
    return code.ljust(DATA, b"\0") + b"".join(word.to_bytes(4, "little") for word in data)
