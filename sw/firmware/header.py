"""The C header: everything that the firmware knows about the hardware, generated from ``hw.spec``."""

from collections.abc import Collection, Iterable, Iterator
from zlib import crc32

from hw.soc.cpus import Cpu, find_cpu
from hw.spec.cfu import CFU_INSTRUCTIONS, CfuInstruction
from hw.spec.commands import COUNTERS, ERRORS, LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.image import (
    ENGINE,
    ENGINE_WORDS,
    HEADER_BYTES,
    HEADER_FIELDS,
    IMAGE_MAGIC,
    IMAGE_VERSION,
    MOST_LAYERS,
)
from hw.spec.registers import (
    ACT_WINDOW,
    LAYER_LOG,
    LEAST_TICKET_BITS,
    LOG_WORDS,
    REGISTERS,
    VERSION,
    WEIGHT_WINDOW,
    WINDOW_BYTES,
)
from hw.spec.soc import IO_REGISTERS, UART_EMPTY, MemoryMap
from sw.firmware.protocol import IN_PLACE, MAGIC, MAX_PAYLOAD, PROTOCOL_VERSION, Op, Status
from sw.golden.kernels import FUNCTIONS

__all__ = ["STANDARD", "c_header"]

#: The functions that every firmware has; the others are large, and linked where a network calls them.
STANDARD = tuple(name for name in FUNCTIONS if name != "features")


def c_header(memory: MemoryMap | None = None, design: DesignPoint | None = None, *, cpu: str | None = None,
             functions: Collection[str] = STANDARD) -> str:
    """Text of ``heddle_config.h`` for the CPU ``cpu``: the design's own, or the usual one, where none is named.

    One firmware serves every design with the same CPU; with ``design`` its facts are added. It has these ``functions``.

    Raises SpecError if there is no such CPU.
    """
    memory, chosen = memory or MemoryMap(), find_cpu(cpu or (design.cpu if design else DesignPoint.cpu))
    lines = ["/* Generated from hw.spec; do not edit. */", "#ifndef HEDDLE_CONFIG_H", "#define HEDDLE_CONFIG_H", "",
             "#ifndef __ASSEMBLER__", "#include <stdint.h>", "#endif", ""]
    lines += _section("Memory map", _map(memory))
    lines += _section(f"CPU: {chosen.title}", _cpu(chosen))
    lines += _section("Engine: byte offsets in its region, and windows", _engine())
    lines += _section("Model image: word index of each header field", _image())
    lines += _section("Calls of a model image: word index of each field", _calls(functions))
    lines += _section("Peripheral: byte offsets", [(f"HEDDLE_IO_{name}", offset, what)
                                                   for name, (offset, what) in IO_REGISTERS.items()])
    lines += _section("Status: return values and protocol", [(f"HEDDLE_{status.name}", int(status), "")
                                                             for status in Status])
    lines += _section("Protocol", _protocol())
    if design:
        lines += _section("Design", [("HEDDLE_DESIGN_FINGERPRINT", design.fingerprint, design.label),
                                     ("HEDDLE_DESIGN_ACT_BYTES", design.act_bytes, ""),
                                     ("HEDDLE_DESIGN_WEIGHT_BYTES", design.weight_bytes, "")])
    lines += ["#ifdef __ASSEMBLER__", ""]
    lines += [*_macro("heddle_cpu_start", chosen.start), *_macro("heddle_cpu_trap", chosen.trap)]
    if chosen.custom:
        lines += ["#else", ""]
        for entry in CFU_INSTRUCTIONS.values():
            lines += _instruction(entry)
        lines += _dispatch()
    lines += ["#endif", "", "#endif", ""]
    return "\n".join(lines)


def _section(title: str, entries: Iterable[tuple[str, int | str, str]]) -> list[str]:
    lines = [f"/* {title} */"]
    for name, value, what in entries:
        text = value if isinstance(value, str) else f"{value:#x}" if value > 255 else str(value)
        lines.append(f"#define {name} {text}".rstrip() + (f"  /* {what} */" if what else ""))
    return [*lines, ""]


#: What C code says of functions and constants that a slow ROM is no place for.
_OUT_OF_ROM = (("OFTEN", "noinline, ", "a function that runs often"),
               ("AT_REST", "noinline, ", "a function that runs often, never while the engine does"),
               ("OFTEN_DATA", "", "a constant that one of them reads"))


def _map(memory: MemoryMap) -> list[tuple[str, int | str, str]]:
    entries: list[tuple[str, int | str, str]] = []
    if memory.image:
        entries += [("HEDDLE_FLASH_IMAGE", memory.image.origin, "the model image, read only")]
    acts_end = memory.workspace.origin - memory.engine.origin if memory.workspace else WEIGHT_WINDOW
    entries += [("HEDDLE_ACT_END", acts_end, "offset in the engine's region behind what networks have of activations"),
                ("HEDDLE_WRITABLE_END", acts_end if memory.image else WINDOW_BYTES, "and behind what a host may write")]
    entries += [(f"HEDDLE_{name}", f'__attribute__(({how}section(".{name.lower()}")))' if memory.image else "", what)
                for name, how, what in _OUT_OF_ROM]
    if memory.outside:
        begins = memory.outside.origin - memory.engine.origin
        entries += [("HEDDLE_OUTSIDE", begins, "offset of a memory outside, from the engine's region on"),
                    ("HEDDLE_OUTSIDE_END", begins + memory.outside.size, "")]
    for name in ("rom", "sram", "engine", "io"):
        region = getattr(memory, name)
        entries += [(f"HEDDLE_{name.upper()}_BASE", region.origin, ""),
                    (f"HEDDLE_{name.upper()}_BYTES", region.size, "")]
    return [*entries, ("HEDDLE_UART_EMPTY", UART_EMPTY, "")]


def _cpu(cpu: Cpu) -> Iterator[tuple[str, int | str, str]]:
    """What C code asks with ``#ifdef`` is left out where the CPU lacks it."""
    if cpu.multiplies:
        yield "HEDDLE_MULTIPLIES", 1, "has instructions for it"
    if cpu.cycle_csr:
        yield "HEDDLE_CYCLE_CSR", f'"{cpu.cycle_csr}"', "counts clock cycles"
    if cpu.custom:
        yield "HEDDLE_CFU_ENABLE_CSR", cpu.custom.enable_csr, "custom instructions need HEDDLE_CFU_ENABLE in it"
        yield "HEDDLE_CFU_ENABLE", cpu.custom.enable, ""


def _macro(name: str, lines: Iterable[str]) -> list[str]:
    return [f"    .macro {name}", *(f"    {line}" for line in lines), "    .endm", ""]


def _engine() -> list[tuple[str, int | str, str]]:
    return [*((f"HEDDLE_REG_{name}", offset, what) for name, (offset, what) in REGISTERS.items()),
            ("HEDDLE_LAYER_LOG", LAYER_LOG, ""), ("HEDDLE_LAYER_LOG_ENTRIES", LAYER_LOG_ENTRIES, ""),
            ("HEDDLE_LOG_WORDS", LOG_WORDS, ""), ("HEDDLE_COUNTERS", len(COUNTERS), ""),
            ("HEDDLE_ACT_WINDOW", ACT_WINDOW, ""), ("HEDDLE_WEIGHT_WINDOW", WEIGHT_WINDOW, ""),
            ("HEDDLE_WINDOW_BYTES", WINDOW_BYTES, ""), ("HEDDLE_MAP_VERSION", VERSION, ""),
            ("HEDDLE_TICKET_MASK", (1 << LEAST_TICKET_BITS) - 1, "what of a ticket every engine takes"),
            *((f"HEDDLE_ENGINE_ERROR_{name}", value, "") for name, value in ERRORS.items())]


def _image() -> list[tuple[str, int | str, str]]:
    return [("HEDDLE_IMAGE_MAGIC", IMAGE_MAGIC, ""), ("HEDDLE_IMAGE_VERSION", IMAGE_VERSION, ""),
            ("HEDDLE_IMAGE_HEADER_BYTES", HEADER_BYTES, ""),
            ("HEDDLE_MOST_LAYERS", MOST_LAYERS, "of all runs, and calls of the CPU, in one inference"),
            *((f"HEDDLE_IMAGE_{name.upper()}_WORD", index, "") for index, name in enumerate(HEADER_FIELDS))]


def _calls(functions: Collection[str]) -> list[tuple[str, int | str, str]]:
    """Of a run of the engine, and of each function of the CPU; a function's table is behind its fields."""
    entries: list[tuple[str, int | str, str]] = [
        ("HEDDLE_CALL_ENGINE", ENGINE, ""), ("HEDDLE_RUN_WORDS", len(ENGINE_WORDS), ""),
        *((f"HEDDLE_RUN_{name.upper()}", index, "") for index, name in enumerate(ENGINE_WORDS))]
    for name, function in FUNCTIONS.items():
        entries += [(f"HEDDLE_{name.upper()}_{field.upper()}", index, "")
                    for index, field in enumerate((*function.fields, "table"))]
    linked = ", ".join(f"heddle_kernel_{name}" if name in functions else "0" for name in FUNCTIONS)
    return [*entries, ("HEDDLE_KERNELS(each)", " ".join(f"each({name})" for name in FUNCTIONS), ""),
            ("HEDDLE_LINKED", linked, "in the order of 1, 2; 0 where this firmware has none")]


def _protocol() -> list[tuple[str, int | str, str]]:
    table = ", ".join(f"{_crc_entry(half):#x}" for half in range(16))
    return [*((f"HEDDLE_OP_{op.name}", int(op), "") for op in Op), ("HEDDLE_IN_PLACE", IN_PLACE, ""),
            ("HEDDLE_PROTOCOL_VERSION", PROTOCOL_VERSION, ""), ("HEDDLE_MAX_PAYLOAD", MAX_PAYLOAD, ""),
            ("HEDDLE_MAGIC_0", MAGIC[0], ""), ("HEDDLE_MAGIC_1", MAGIC[1], ""), ("HEDDLE_CRC_TABLE", table, "")]


def _crc_entry(half: int) -> int:
    """Entry of the table of CRC-32 for half a byte, recovered from zlib's answer for one byte."""
    return crc32(bytes([half << 4 ^ 0xFF])) ^ 0xFF000000


def _instruction(entry: CfuInstruction) -> Iterator[str]:
    yield f"/* {entry.summary} */"
    yield f"#define HEDDLE_CFU_{entry.name}_ID {entry.function_id}"
    yield f"static inline uint32_t heddle_cfu_{entry.name.lower()}(uint32_t a, uint32_t b)"
    yield "{"
    yield "    uint32_t d;"
    yield (f'    __asm__(".insn r CUSTOM_0, {entry.funct3}, {entry.funct7}, %0, %1, %2" : "=r"(d) : "r"(a), "r"(b));')
    yield "    return d;"
    yield "}"
    yield ""


def _dispatch() -> Iterator[str]:
    yield "/* The custom instruction with this function id, 0 for an unassigned one. */"
    yield "static inline uint32_t heddle_cfu(uint32_t id, uint32_t a, uint32_t b)"
    yield "{"
    yield "    switch (id) {"
    for name in CFU_INSTRUCTIONS:
        yield f"    case HEDDLE_CFU_{name}_ID:"
        yield f"        return heddle_cfu_{name.lower()}(a, b);"
    yield "    default:"
    yield "        return 0;"
    yield "    }"
    yield "}"
    yield ""
