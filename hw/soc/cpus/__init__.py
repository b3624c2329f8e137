"""The CPUs that a SoC can have, one file each: the module's name is what a design point calls it.

A module of this folder with a ``CPU`` joins by being there. ``tests/hw/soc/cpus`` holds every one to the same suite.
"""

from importlib import import_module
from pkgutil import iter_modules

from hw.soc.cpus._cpu import Cpu, CustomPort
from hw.spec.errors import SpecError

__all__ = ["CPUS", "Cpu", "CustomPort", "find_cpu"]

CPUS: dict[str, Cpu] = {
    module.name: import_module(f"{__name__}.{module.name}").CPU
    for module in sorted(iter_modules(__path__), key=lambda module: module.name) if not module.name.startswith("_")}


def find_cpu(name: str) -> Cpu:
    """The CPU of that name.

    >>> find_cpu("serv").march
    'rv32i'

    Raises
    ------
    SpecError
        If there is none; the message lists the names.
    """
    if name not in CPUS:
        raise SpecError(f"cpu={name!r}: unknown; choose {', '.join(map(repr, CPUS))}")
    return CPUS[name]
