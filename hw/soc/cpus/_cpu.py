"""What SoC, firmware and benches need to know of a CPU."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from json import dumps
from pathlib import Path

from hw.spec.errors import HeddleError

__all__ = ["Cpu", "CustomPort"]


@dataclass(frozen=True, kw_only=True)
class CustomPort:
    """A port for custom instructions, as LiteX wires it up to a module ``Cfu``: opcode custom-0, R-type."""

    enable_csr: int           # number of the register that lets them through
    enable: int               # the bits to set in it
    bench: str                # Verilog of a module ``bench_cpu`` around the CPU; its ports: ``cosim/cpu_top.v``


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """A 32-bit RISC-V CPU on LiteX's Wishbone bus. It starts at the ROM's first address.

    ``start`` and ``trap`` are lines of assembler. ``start`` comes first after reset and has traps enter
    ``trap_entry``; ``trap`` comes at ``trap_entry`` and leaves in a0, a1 and a2 why, at which address and with
    which value it trapped, numbered as ``mcause``, ``mepc`` and ``mtval``. Either may use every register but sp.
    """

    name: str                 # as a design point says it
    title: str                # as people call it
    litex_type: str           # cpu_type and cpu_variant of LiteX
    litex_variant: str
    package: str              # on PyPI, with the Verilog
    verilog: tuple[str, ...]  # its files that a SoC takes, relative to the package's folder ``verilog``
    march: str                # what the compiler is told, but for zicsr, which all have
    mabi: str
    start: tuple[str, ...]
    trap: tuple[str, ...]
    cycle_csr: str | None     # counts clock cycles; None: the SoC has a counter for it
    uncached_base: int = 0    # what lies from here on is not cached; devices do
    custom: CustomPort | None = None

    def files(self) -> tuple[Path, ...]:
        """Its Verilog, where it is installed. Raises HeddleError if it is not."""
        spec = find_spec(self.package.replace("-", "_"))
        if spec is None or spec.origin is None:
            raise HeddleError(f"{self.package}: not installed; run `make setup`")
        return tuple(Path(spec.origin).parent / "verilog" / name for name in self.verilog)

    @property
    def multiplies(self) -> bool:
        """Whether it has instructions for that."""
        return "m" in self.march

    @property
    def digest(self) -> str:
        """Of all that decides what is made of it, the package's version too: for keys of results.

        Raises HeddleError if the package is not installed.
        """
        try:
            found = version(self.package)
        except PackageNotFoundError as error:
            raise HeddleError(f"{self.package}: not installed; run `make setup`") from error
        return sha256(dumps([found, asdict(self)], sort_keys=True).encode()).hexdigest()[:32]
