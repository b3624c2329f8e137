"""What a layer exceeds where no command can hold it, in the words of the layer."""

from collections.abc import Mapping

from hw.spec.commands import COMMAND_FIELDS, REACHES
from hw.spec.design import DesignPoint
from sw.compiler.operator import Geometry, Operator

__all__ = ["exceeded_field", "limit_text"]


def exceeded_field(command: Mapping[str, int]) -> str | None:
    """The first field that cannot hold its value."""
    for name, value in command.items():
        low, high = REACHES[name]
        if not low <= value <= high:
            return name
    return None


def limit_text(name: str, operator: Operator, geometry: Geometry, design: DesignPoint) -> str:
    """What of the layer a field of the command cannot hold, its limit, and the way out."""
    bits, signed = COMMAND_FIELDS[name]
    most = (1 << bits - signed) - 1
    height, width, channels = geometry.shape
    out_height, out_width, outputs = geometry.out_shape
    depthwise = operator.depthwise
    kernel = "x".join(map(str, operator.weights.shape[:2] if depthwise else operator.weights.shape[1:3]))
    stride = "x".join(map(str, geometry.stride))
    row = f"a row of the input has {width}x{channels} = {width * channels} activations"
    out_row = f"a row of the output has {out_width}x{outputs} = {out_width * outputs} activations"
    per_block = design.depthwise_channels if depthwise else design.cols
    window = f"kernel {kernel}" if depthwise or kernel != "1x1" else "dense kernel"
    window += "" if depthwise else f" over {channels} channels"
    tap_row = f"{most}; use a smaller kernel"
    if not depthwise:
        tap_row = f"{most * design.fetch_bytes} activations, channels included; use a smaller kernel or raise lanes"
    texts = {
        "kernel_rows": f"kernel {kernel} exceeds {most} rows; use a smaller kernel",
        "segments": f"{window} exceeds a width of {tap_row}",
        "stride_y": f"stride {stride} exceeds {most}; use a smaller stride",
        "step_x_bytes": f"stride {stride} over {channels} channels exceeds {most} activations; use fewer channels",
        "step_y_bytes": f"{row}, times the stride {stride} exceeds {most}; use a narrower input",
        "in_row_bytes": f"{row} and exceeds {most}; use a narrower input",
        "segment_bytes": f"{channels} channels exceed {most}; use fewer channels",
        "in_height": f"{height} rows of the input exceed {most}; use a smaller input",
        "out_width": f"{out_width} columns of the output exceed {most}; use a smaller input",
        "bands": f"{out_height} rows of the output exceed {most}; use a smaller input",
        "first_x_bytes": f"{geometry.left} columns of padding over {channels} channels exceed {most} activations; "
                         f"use less padding",
        "first_y": f"{geometry.top} rows of padding exceed {most}; use less padding",
        "groups": f"{out_height}x{out_width} output pixels exceed {most} groups of {1 if depthwise else design.rows}; "
                  f"use a smaller input",
        "blocks": f"{outputs} output channels exceed {most} blocks of {per_block}; use fewer channels",
        "out_row_bytes": f"{outputs} output channels exceed {most}; use fewer channels",
        "out_group_bytes": f"{outputs} output channels exceed {most} for a group of pixels; use fewer channels",
        "out_band_bytes": f"{out_row} and exceeds {most}; use a narrower input",
    }
    return texts.get(name, f"{name} exceeds {most}; use a smaller layer")
