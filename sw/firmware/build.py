"""Compiling the firmware: C, a generated header and a generated linker script to the content of the ROM."""

from collections.abc import Collection, Sequence
from pathlib import Path

from hw.soc.cpus import find_cpu
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import ENGINE, reset_calls, unpack_calls, unpack_header
from hw.spec.soc import MemoryMap
from hw.tools import ToolError, run
from sw.firmware.header import STANDARD, c_header
from sw.golden.kernels import FUNCTIONS, name_of

__all__ = ["SOURCES", "build", "code_bytes", "compile_sources", "flash_content", "functions_of", "kernel_files",
           "rom_words"]

SOURCES = Path(__file__).parent / "src"
RUNTIME = ("crt0.S", "support.c")
STACK_BYTES, SMALL_STACK_BYTES = 1024, 512     # at least; where the ROM is a flash, and the RAM small
FAST, SMALL = ("-O2",), ("-Os", "-msave-restore")
FROM_FLASH = ("-Os",)       # no functions for prologues: they would be in the flash
#: Compiled for size, by the names of the files, a user's ``main.c`` too: what is not worth its bytes in a ROM that all
#: of it must fit.
FOR_SIZE = ("main", "constant", "copy", "dequantize", "fill", "log_softmax", "mean", "pool", "quantize",
            "resize", "weighted")
#: As well on a CPU that calls a function for each multiplication; its code is larger.
SLOW_ANYWAY = ("heddle", "binary", "softmax", "table")
FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
         "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections")
CAUSES = ("error:", "overflowed by", "undefined reference", "multiple definition")
LINK_FLAGS = ("-nostartfiles", "-nostdlib", "-static", "-Wl,--gc-sections", "-Wl,--build-id=none",
              "-Wl,--no-warn-rwx-segments", "-T", "link.ld")

#: Where the firmware's buffer is not in the RAM.
WORKSPACE_MEMORY = """
    workspace (rwx) : ORIGIN = {workspace.origin:#x}, LENGTH = {workspace.size:#x}"""
WORKSPACE_SECTIONS = """
    .workspace (NOLOAD) : {{ *(.bss.heddle_workspace .bss.copied) }} > workspace
    .at_rest : {{
        heddle_rest_start = .;
        *(.at_rest) . = ALIGN(4);
        heddle_rest_end = .;
    }} > workspace AT > rom
    heddle_rest_load = LOADADDR(.at_rest);"""

LINKER_SCRIPT = """/* Generated from hw.spec.soc; do not edit. */
OUTPUT_ARCH(riscv)
ENTRY(_start)
MEMORY
{{
    rom (rx) : ORIGIN = {rom.origin:#x}, LENGTH = {rom.size:#x}
    sram (rwx) : ORIGIN = {sram.origin:#x}, LENGTH = {sram.size:#x}{workspace_memory}
}}
SECTIONS
{{
    .text : {{ KEEP(*(.text.start)) *(.text .text.*) *(.rodata .rodata.* .srodata .srodata.*) . = ALIGN(4); }} > rom
    .data : {{
        heddle_data_start = .;
        *(.data .data.* .sdata .sdata.* .often_data) . = ALIGN(4); *(.often) . = ALIGN(4);
        heddle_data_end = .;
    }} > sram AT > rom
    heddle_data_load = LOADADDR(.data);{workspace_sections}
    .bss (NOLOAD) : {{ *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(4); heddle_bss_end = .; }} > sram
    heddle_stack_top = ORIGIN(sram) + LENGTH(sram);
    ASSERT(heddle_stack_top - heddle_bss_end >= {stack},
           "error: less than {stack} bytes of sram are left for the stack")
    /DISCARD/ : {{ *(.comment) *(.riscv.attributes) *(.note*) *(.eh_frame*) }}
}}
"""


def build(out: Path, *, cpu: str = DesignPoint.cpu, memory: MemoryMap | None = None, main: Path | None = None,
          extra_sources: Sequence[Path] = (), functions: Collection[str] = STANDARD, timeout_s: float = 120) -> Path:
    """Compile the firmware into ``out`` and return ``out/firmware.bin``, the content of the ROM.

    Beside it: ``firmware.elf``, ``heddle_config.h`` and ``link.ld``. The same sources give the same bytes, wherever
    they lie.

    Parameters
    ----------
    out : Path
        Folder, made if missing.
    cpu : str
        The SoC's, a name of ``hw.soc.cpus``.
    memory : MemoryMap
        Where ROM, RAM, engine and peripheral are.
    main : Path
        A C file with ``main`` in place of ``sw/firmware/src/main.c``; it includes ``heddle.h``.
    extra_sources : sequence of Path
        More C files to link.
    functions : collection of str
        Those of the CPU's that are linked, see :func:`functions_of`.

    Raises
    ------
    ToolError
        If the compiler is missing or refuses the sources, or the result does not fit its memories.
    HeddleError
        If a source file does not exist.
    SpecError
        If there is no such CPU.
    """
    return compile_sources([SOURCES / "heddle.c", *kernel_files(), main or SOURCES / "main.c", *extra_sources], out,
                           cpu=cpu, memory=memory or MemoryMap(), functions=functions, timeout_s=timeout_s)


def functions_of(image: bytes) -> tuple[str, ...]:
    """The functions that the firmware of a model image has: the standard ones, where those do; else, to fit the ROM,
    exactly those that the image calls.

    Raises
    ------
    SpecError
        If it is no image.
    """
    header = unpack_header(image)
    called = {name_of(call) for call in (*reset_calls(image, header), *unpack_calls(image, header))
              if call.runner != ENGINE}
    return STANDARD if called <= set(STANDARD) else tuple(name for name in FUNCTIONS if name in called)


def kernel_files() -> list[Path]:
    """The C files of the CPU's functions."""
    return [SOURCES / "kernels" / f"{name}.c" for name in FUNCTIONS]


def compile_sources(files: Sequence[Path], out: Path, *, cpu: str, memory: MemoryMap, defines: Sequence[str] = (),
                    functions: Collection[str] = STANDARD, timeout_s: float = 120) -> Path:
    """Compile C files with what every program needs (start, generated header) as :func:`build` does."""
    for path in files:
        if not path.is_file():
            raise HeddleError(f"firmware source {path}: no such file; give the path of a C file")
    chosen = find_cpu(cpu)
    out.mkdir(parents=True, exist_ok=True)
    (out / "heddle_config.h").write_text(c_header(memory, cpu=cpu, functions=functions), encoding="utf-8")
    (out / "link.ld").write_text(_linker_script(memory), encoding="utf-8")
    sources = [*(SOURCES / name for name in RUNTIME), *files]
    objects = [f"{index}_{path.stem}.o" for index, path in enumerate(sources)]
    for_size = FOR_SIZE if chosen.multiplies else (*FOR_SIZE, *SLOW_ANYWAY)
    for path, target in zip(sources, objects, strict=True):
        wanted = FROM_FLASH if memory.image else SMALL if path.stem in for_size else FAST
        _gcc(f"-march={chosen.march}_zicsr", f"-mabi={chosen.mabi}", *wanted, *FLAGS,
             *(f"-D{define}" for define in defines),
             "-I.", f"-I{SOURCES}", "-c", str(path.resolve()), "-o", target, out=out, timeout_s=timeout_s)
    # The compiler's own library is filed under the architecture without its control registers.
    _gcc(f"-march={chosen.march}", f"-mabi={chosen.mabi}", *FLAGS, *LINK_FLAGS, *objects, "-lgcc", "-o",
         "firmware.elf", out=out, timeout_s=timeout_s)
    run(["riscv64-unknown-elf-objcopy", "-O", "binary", "firmware.elf", "firmware.bin"],
        cwd=out, timeout_s=timeout_s, log=out / "objcopy.log")
    return out / "firmware.bin"


def _linker_script(memory: MemoryMap) -> str:
    places = {"workspace_memory": "", "workspace_sections": ""}
    if memory.workspace:
        places = {"workspace_memory": WORKSPACE_MEMORY.format(workspace=memory.workspace),
                  "workspace_sections": WORKSPACE_SECTIONS.format()}
    return LINKER_SCRIPT.format(rom=memory.rom, sram=memory.sram,
                                stack=SMALL_STACK_BYTES if memory.image else STACK_BYTES, **places)


def code_bytes(firmware: Path) -> dict[str, int]:
    """Bytes of ROM that each of the CPU's functions takes, of what :func:`build` returned; its C file's constants too.

    Raises
    ------
    ToolError
        If the tool that counts them is missing or fails.
    """
    sizes = {}
    for path in sorted(firmware.parent.glob("*_*.o")):
        name = path.stem.partition("_")[2]
        if name in FUNCTIONS:
            log = firmware.parent / "size.log"
            run(["riscv64-unknown-elf-size", path.name], cwd=firmware.parent, timeout_s=60, log=log)
            text, data, *_ = log.read_text(encoding="utf-8").splitlines()[1].split()
            sizes[name] = int(text) + int(data)
    return {name: sizes[name] for name in FUNCTIONS}


def _gcc(*arguments: str, out: Path, timeout_s: float) -> None:
    log = out / "compile.log"
    try:
        run(["riscv64-unknown-elf-gcc", *arguments], cwd=out, timeout_s=timeout_s, log=log)
    except ToolError as error:
        # Of all that the compiler and the linker say, the first is the cause.
        said = log.read_text(errors="replace", encoding="utf-8").splitlines() if error.repeats else []
        causes = [line for line in said if any(word in line for word in CAUSES) and "collect2" not in line]
        if not causes:
            raise
        raise ToolError(error.tool, error.what, detail=causes[0].strip(), log=log, repeats=True) from error


def _rom_content(firmware: Path, memory: MemoryMap) -> bytes:
    try:
        content = firmware.read_bytes()
    except OSError as error:
        raise HeddleError(f"firmware {firmware}: {error.strerror}; build it with sw.firmware.build") from error
    if len(content) > memory.rom.size:
        raise HeddleError(f"firmware {firmware}: {len(content)} bytes; the ROM has {memory.rom.size}; "
                          f"make it larger")
    return content


def rom_words(firmware: Path, memory: MemoryMap) -> list[int]:
    """The ROM's 32-bit words, the rest zero.

    Raises
    ------
    HeddleError
        If the file cannot be read or is larger than the ROM.
    """
    content = _rom_content(firmware, memory).ljust(memory.rom.size, b"\0")
    return [int.from_bytes(content[n:n + 4], "little") for n in range(0, len(content), 4)]


def flash_content(bitstream: bytes, firmware: Path, image: bytes, memory: MemoryMap) -> bytes:
    """All of a board's flash that a SoC boots from, one behind the other; what is between them is erased.

    Raises
    ------
    HeddleError
        If one of them is larger than its place, or the SoC has no flash.
    """
    if memory.image is None:
        raise HeddleError("this SoC does not boot from a flash: its ROM and its weights are in the bitstream")
    content = b""
    for what, part, origin, size in (("bitstream", bitstream, 0, memory.rom.origin),
                                     ("firmware", _rom_content(firmware, memory), memory.rom.origin, memory.rom.size),
                                     ("model image", image, memory.image.origin, memory.image.size)):
        if len(part) > size:
            raise HeddleError(f"{what}: {len(part)} bytes; the flash has {size} for it; use a smaller network")
        content = content.ljust(origin, b"\xff") + part
    return content
