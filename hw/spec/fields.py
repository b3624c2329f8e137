"""The fields of a command as each kind of engine takes them: encoder, golden interpreter and gateware ask here.

The engine itself refuses a command whose magic, checksum or opcode is wrong, one layer too many, and, if it is a wide
one, a count of 0 (``hw.spec.commands.ERRORS``). It runs every other command as :func:`taken` reads it. What comes out
is defined unless :func:`undefined` says why not; the encoder makes no such command.
"""

from collections.abc import Iterator, Mapping

from hw.spec.commands import COMMAND_FIELDS, COUNTS, OPCODES, decode, encode
from hw.spec.design import LOCAL_WORDS, DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.tiles import port_cycles
from hw.spec.timing import drain_cycles, longest_spacing, param_sets

__all__ = ["ADD_RECORDS", "OF_UNITS", "command_fields", "counts", "encode_for", "phases", "taken", "undefined",
           "whole_tile"]

#: Fields of a command that only engines with a unit for them have, and the design's field that says so. They are the
#: last ones in memory.
OF_UNITS = {"table": "table_unit", "split": "splits"}
ADD_RECORDS = 3    # parameters of a residual add: its two operands and their sum
#: What a compact engine does not have: it has one row, nothing in its elements, no binary weights, and its tiles are
#: whole.
_WHOLE_TILE = ("tile_rows", "tile_cols", "spacing", "distance")
_NOT_COMPACT = ("window", "broadcast", "local", "local_words", "tail_rows", "tail_lanes", "out_row_bytes",
                "first_segments", *_WHOLE_TILE)
#: Of these, what nothing depends on there, whatever the command says.
_WITHOUT_EFFECT = ("tail_lanes", "out_row_bytes", "first_segments", "distance")
#: Addresses in the activations, and distances of them: those wrap, so that low bits are enough.
_ADDRESSES = ("in_start", "out_base", "step_y_bytes", "out_group_bytes", "out_band_bytes")


def command_fields(design: DesignPoint) -> dict[str, int]:
    """The fields of a command that the engine has, each with how many of its low bits it looks at.

    >>> from hw.spec.presets import PRESETS
    >>> command_fields(PRESETS["up5k"])["tail_steps"], "window" in command_fields(PRESETS["up5k"])
    (2, False)
    """
    lacks = _lacks(design)
    fields = {name: bits for name, (bits, _) in COMMAND_FIELDS.items() if name not in lacks}
    if design.engine == "wide":
        return fields
    address = (design.act_bytes - 1).bit_length()
    narrow = dict.fromkeys(("tail_steps", "segment_steps"), phases(design).bit_length())
    narrow["tail_cols"] = design.tail_cols_bits
    narrow |= dict.fromkeys(_ADDRESSES, address)
    return {name: min(bits, narrow.get(name, bits)) for name, bits in fields.items() if name not in _NOT_COMPACT}


def _lacks(design: DesignPoint) -> list[str]:
    return [name for name, unit in OF_UNITS.items() if not getattr(design, unit)]


def counts(design: DesignPoint) -> tuple[str, ...]:
    """The counts that the engine refuses a command for if all bits of one are 0. A compact engine has no room to look
    for zeros; there they are not defined.
    """
    return _counts(design) if design.engine == "wide" else ()


def _counts(design: DesignPoint) -> tuple[str, ...]:
    """Those that the engine has."""
    fields = command_fields(design)
    return tuple(name for name in COUNTS if name in fields)


def phases(design: DesignPoint) -> int:
    """Steps of a segment, and array rows that fetch for it, that the engine can tell apart."""
    return max(2, design.fetch_steps)


def whole_tile(design: DesignPoint, *, depthwise: bool, add: bool) -> dict[str, int]:
    """What ``tile_rows``, ``tile_cols``, ``spacing`` and ``distance`` are for a tile that uses all of the array."""
    return {"tile_rows": design.rows, "tile_cols": design.depthwise_cols if depthwise else design.cols,
            "spacing": drain_cycles(design, depthwise=depthwise, add=add), "distance": design.depthwise_cols}


def taken(design: DesignPoint, command: Mapping[str, int]) -> dict[str, int]:
    """A decoded LAYER command as the engine takes it: low bits where it has no more, and what it does on its own."""
    fields = command_fields(design)
    values = {name: value if name not in fields or name in _ADDRESSES[:2] or fields[name] == COMMAND_FIELDS[name][0]
              else value & (1 << fields[name]) - 1 for name, value in command.items()}
    if design.engine == "compact":
        values |= dict.fromkeys(_NOT_COMPACT, 0) | whole_tile(
            design, depthwise=bool(command["depthwise"]), add=bool(command["add"]))
        values |= {"tail_rows": design.rows, "first_segments": 1}
    if not design.stream_port_bytes:
        values["stream"] = 0
    return values | dict.fromkeys(_lacks(design), 0)


def undefined(design: DesignPoint, command: Mapping[str, int]) -> str | None:
    """Why what the engine makes of a LAYER, as :func:`taken` reads it, is not defined; None where it is."""
    return next(_wrong(design, command), None)


def _wrong(design: DesignPoint, command: Mapping[str, int]) -> Iterator[str]:
    if zero := [name for name in _counts(design) if name not in counts(design) and not command[name]]:
        yield f"{zero[0]}=0: the engine counts to it; write 1 or more"
        return
    if command["add"] and design.cols < ADD_RECORDS:
        yield f"add=1: its parameters need {ADD_RECORDS} columns, and cols={design.cols}; raise cols"
    if design.engine == "wide":
        yield from _wrong_split(design, command)
        yield from _wrong_tile(design, command)
        yield from _wrong_operands(design, command)
    if command["port_cycles"] < (least := port_cycles(design, command)):
        yield (f"port_cycles={command['port_cycles']}: outputs need the memory's port for {least} cycles of a tile; "
               f"raise it")


def _wrong_split(design: DesignPoint, command: Mapping[str, int]) -> Iterator[str]:
    """Of elements of scalable precision."""
    if not design.splits:
        return
    if command["split"] > design.splits:
        yield f"split={command['split']}: weights are halved {design.splits} times; choose no more"
    if command["depthwise"] and command["split"]:
        yield f"split={command['split']}: an element of a depthwise layer has one channel; set split=0"
    if command["maximum"] and (command["window"] or not command["depthwise"]):
        yield "maximum=1: elements of digits compare in pools only; set depthwise=1 and window=0"
    if command["add"] and command["tile_cols"] > design.fetch_bytes:
        yield (f"tile_cols={command['tile_cols']}: what is added comes in one fetch of {design.fetch_bytes}; "
               f"choose no more")
    columns = param_sets(design, command) * design.cols
    if not command["depthwise"] and design.requantizers > design.cols and command["tail_cols"] > columns:
        yield f"tail_cols={command['tail_cols']}: a tile has parameters for {columns} channels; choose no more"


def _wrong_tile(design: DesignPoint, command: Mapping[str, int]) -> Iterator[str]:
    """Of a tile that is a part of the array."""
    depthwise, add = bool(command["depthwise"]), bool(command["add"])
    rows, cols = command["tile_rows"], command["tile_cols"]
    for name, most in (("tile_rows", design.depthwise_rows if depthwise else design.rows),
                       ("tile_cols", design.depthwise_cols if depthwise else design.cols << command["split"])):
        if command[name] > most:
            yield f"{name}={command[name]}: the array has {most} for this layer; choose 1 to {most}"
            return
    least, most = drain_cycles(design, depthwise=depthwise, add=add, rows=rows, cols=cols), longest_spacing(design)
    if (command["spacing"] - 1) % (1 << most.bit_length()) + 1 < least:
        yield (f"spacing={command['spacing']}: the sums of a tile of {rows}x{cols} are read for {least} cycles; "
               f"choose {least} to {most}")
    if not depthwise and not command["broadcast"]:
        for name in ("segment_steps", "tail_steps") if command["segments"] > 1 else ("tail_steps",):
            if command[name] > phases(design):
                yield f"{name}={command[name]}: a fetched word has {design.fetch_steps} steps; choose no more"


def _wrong_operands(design: DesignPoint, command: Mapping[str, int]) -> Iterator[str]:
    """Of operands in the elements' own memories."""
    if command["local"]:
        rows, height = command["tile_rows"], command["kernel_rows"]
        if not design.has_local_memory or not command["window"] and design.dataflow != "weight":
            yield "local=1: the elements have no memory for these weights; choose dataflow='weight' or local=0"
        elif command["depthwise"] and not command["window"]:
            yield "local=1: a depthwise layer keeps weights by columns only; set window=1 or local=0"
        elif (count := rows * height if command["window"] else _steps(command)) != command["local_words"]:
            yield f"local_words={command['local_words']}: a tile has {count} steps; load as many"
        elif (height if command["window"] else count) > LOCAL_WORDS:
            yield f"local=1: an element keeps {LOCAL_WORDS} words, a tile has {count} steps; set local=0"
    if command["window"]:
        if not (command["depthwise"] and command["local"]):
            yield "window=1: goes with depthwise=1 and local=1; set both"
        elif MULTIPLIERS[design.multiplier].ways > 1:
            yield f"window=1: columns share multipliers, multiplier={design.multiplier!r}; set window=0"


def _steps(command: Mapping[str, int]) -> int:
    """Of a tile of a convolution."""
    if command["broadcast"]:
        return command["kernel_rows"] * command["segments"]
    return command["kernel_rows"] * ((command["segments"] - 1) * command["segment_steps"] + command["tail_steps"])


def encode_for(design: DesignPoint, values: Mapping[str, int]) -> int:
    """``hw.spec.commands.encode`` of a command that the engine of ``design`` runs as it says.

    Raises
    ------
    SpecError
        Also if the engine would ignore a value, refuse the command, or give what is not defined.
    """
    word = encode(values)
    if values.get("opcode") != OPCODES["LAYER"]:
        return word
    command = decode(word)
    seen = taken(design, command)
    for name in COMMAND_FIELDS:
        if command[name] != seen[name] and name not in (*_WITHOUT_EFFECT, *_ADDRESSES):
            raise SpecError(f"{name}={command[name]}: the {design.engine} engine of this design takes {seen[name]} "
                            f"there, whatever the command says; write {seen[name]}")
    if zero := [name for name in counts(design) if not command[name]]:
        raise SpecError(f"{zero[0]}=0: the engine refuses it; write 1 or more")
    if why := undefined(design, seen):
        raise SpecError(why)
    return word
