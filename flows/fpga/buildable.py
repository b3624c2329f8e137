"""What keeps a network on a design from being built, before anything is synthesized: asked by every command alike."""

from hw.spec.errors import HeddleError
from hw.spec.soc import NO_MEMORY
from sw.compiler import Program

__all__ = ["check_buildable", "obstacles"]


def obstacles(program: Program) -> list[str]:
    """Why no SoC with this network can be built, a line each; that it is too large for a board is not among them."""
    if program.streamed_bytes and program.design.memory != "spram":
        return [f"{program.graph.name}: {program.streamed_bytes} bytes of its weights stream on this design; "
                f"{NO_MEMORY}"]
    return []


def check_buildable(program: Program) -> None:
    """Raises HeddleError with all :func:`obstacles`, if there are any."""
    if found := obstacles(program):
        raise HeddleError("; ".join(found))
