"""Design points by name, and as TOML files."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError

__all__ = ["PRESETS", "design_from_table", "load_design", "to_toml"]

PRESETS: dict[str, DesignPoint] = {
    "up5k": DesignPoint(engine="compact", rows=1, cols=4, lanes=4, multiplier="mac16", requantizers=1,
                        requantizer_cycles=2, requantizer_dsps=0, memory="spram", act_bytes=131072, weight_bytes=4096,
                        layer_log=False, cpu="serv", board="icebreaker"),
    "ecp5-25": DesignPoint(rows=2, cols=4, lanes=4, acc_bits=28, multiplier="scalable", requantizers=2,
                           depthwise_taps=4, act_bytes=32768, weight_bytes=40960, stream_bytes=2, board="ulx3s-25"),
    "ecp5-45": DesignPoint(rows=4, cols=4, lanes=4, acc_bits=28, multiplier="scalable", requantizers=4,
                           depthwise_taps=4, act_bytes=65536, weight_bytes=114688, stream_bytes=2, board="ulx3s-45"),
    "ecp5-85": DesignPoint(rows=4, cols=8, lanes=4, multiplier="dsp", requantizers=8, requantizer_dsps=2,
                           depthwise_taps=4, act_bytes=65536, weight_bytes=294912, stream_bytes=2, board="ulx3s-85"),
}


def design_from_table(table: dict[str, Any], where: str) -> DesignPoint:
    """A design from parsed TOML; ``where`` names the file in errors."""
    known = [field.name for field in fields(DesignPoint)]
    for key in table:
        if key not in known:
            raise SpecError(f"{where}: unknown key {key!r}; a design has {', '.join(known)}")
    try:
        return DesignPoint(**table)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error


def load_design(name: str) -> DesignPoint:
    """A preset by name, or a TOML file by path.

    >>> load_design("ecp5-25").macs_per_cycle
    32
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if not path.is_file():
        raise SpecError(f"design {name!r}: neither a preset ({', '.join(PRESETS)}) nor a TOML file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a TOML file ({error}); copy one from `heddle explore`'s points/") from error
    return design_from_table(table, str(path))


def to_toml(design: DesignPoint) -> str:
    """The design as TOML that :func:`load_design` reads back."""
    values = ((field.name, getattr(design, field.name)) for field in fields(design))
    return "".join(f'{name} = "{value}"\n' if isinstance(value, str) else f"{name} = {value}\n".lower()
                   for name, value in values)
