"""Components with a planted fault, for checks that must find it."""

from collections.abc import Callable
from typing import Any

__all__ = ["spoiled"]


def spoiled(base: type, *arguments: Any, spoil: Callable[[Any, Any], None]) -> Any:
    """A ``base(*arguments)`` some of whose wires ``spoil`` assigns anew: it gets the module and the component."""
    class Faulty(base):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            spoil(m, self)
            return m

    return Faulty(*arguments)
