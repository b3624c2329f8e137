"""Design spaces in TOML: a list of values is an axis, a single value is fixed."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin

from flows.run.toml import read_toml
from flows.search.constraints import Constraint
from flows.search.space import Axes, Family, FeedbackPlan, Hardware, Measure, Precision, Search, Space, Training
from flows.train.recipes import merged
from hw.spec.errors import SpecError
from sw.quant.recipe import STEPS, QuantError, Recipe

__all__ = ["DEFAULT_SPACE", "HARDWARE_FIRST", "MODEL_FIRST", "load_space"]

DEFAULT_SPACE, MODEL_FIRST, HARDWARE_FIRST = (Path(__file__).with_name(name) for name in (
    "space.toml", "model_first.toml", "hardware_first.toml"))
KINDS = {int: "a whole number", float: "a number", str: 'text in "quotes"', bool: "true or false"}
TABLES = {"hardware": Hardware, "search": Search, "training": Training, "feedback": FeedbackPlan, "measure": Measure}
ALL = ("networks", "precision", "data", "hardware", "search", "training", "recipe", "feedback", "measure")


def load_space(path: Path | None = None) -> Space:
    """The space in ``path``, or the default one.

    Raises
    ------
    SpecError
        If the file cannot be read, or a table, key or value is wrong.
    """
    path = path or DEFAULT_SPACE
    tables = read_toml(path, example="flows/search/space.toml")
    given = {"constraints": tables.pop("constraints")} if "constraints" in tables else {}
    for name, table in tables.items():
        if name not in ALL:
            raise SpecError(f"{path}: unknown table [{name}]; a space has {', '.join(f'[{key}]' for key in ALL)}, and "
                            f"constraints = [...] before them")
        if not isinstance(table, dict):
            raise SpecError(f"{path}: {name} = {table!r}: this is a table; write [{name}] on a line of its own")
    try:
        return _space(tables | given)
    except (SpecError, QuantError) as error:
        raise SpecError(f"{path}: {error}") from error


def _space(tables: Mapping[str, Any]) -> Space:
    found = {name: _section(kind, name, tables[name]) for name, kind in TABLES.items() if name in tables}
    if "networks" in tables:
        found["networks"] = tuple(_family(name, table) for name, table in tables["networks"].items())
    if "precision" in tables:
        found["precision"] = _precision(tables["precision"])
    if "data" in tables:
        found["data"] = tuple((name, tuple(map(str, values)))
                              for name, values in _axes("[data]", tables["data"]))
    if "recipe" in tables:
        found["recipe"], found["recipe_axes"] = _recipe(tables["recipe"])
    if "constraints" in tables:
        texts = tables["constraints"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise SpecError(f'constraints = {texts!r}: expected a list of texts; write constraints = ["width <= 1"]')
        found["constraints"] = tuple(map(Constraint, texts))
    return Space(**found)


def _family(name: str, table: Any) -> Family:
    if not isinstance(table, dict):
        raise SpecError(f"[networks] {name} = {table!r}: this is a table; write [networks.{_quoted(name)}] on a line "
                        f"of its own")
    return Family(name=name, axes=_axes(f"[networks.{_quoted(name)}]", table))


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'


def _axes(where: str, table: Mapping[str, Any]) -> Axes:
    """Names and values; a value that is no list is the only one."""
    found = []
    for name, given in table.items():
        values = given if isinstance(given, list) else [given]
        if not values:
            raise SpecError(f"{where} {name} = []: expected at least one value")
        for value in values:
            if not isinstance(value, bool | int | float | str):
                raise SpecError(f"{where} {name} = {value!r}: expected a number, text, true or false, or a list of "
                                f"them")
        found.append((name, tuple(values)))
    return tuple(found)


def _precision(table: Mapping[str, Any]) -> Precision:
    layers = table.get("layers", [{}])
    if not isinstance(layers, list) or not all(isinstance(each, dict) for each in layers) or not layers:
        raise SpecError(f"[precision] layers = {layers!r}: expected a list of tables, one a choice; write layers = "
                        f"[{{}}, {{classifier = 8}}]")
    for name, bits in [pair for each in layers for pair in each.items()]:
        if type(bits) is not int:
            raise SpecError(f"[precision] layers: {name} = {bits!r}: expected a whole number")
    plain = _section(Precision, "precision", {key: value for key, value in table.items() if key != "layers"})
    return Precision(weight_bits=plain.weight_bits, layers=tuple(tuple(each.items()) for each in layers))


def _recipe(table: Mapping[str, Any]) -> tuple[Recipe, Axes]:
    """The recipe with the first value of each axis, and the axes."""
    first: dict[str, Any] = {name: dict(value) if isinstance(value, dict) else value for name, value in table.items()}
    axes: dict[str, tuple[Any, ...]] = {}
    for step, options in ("", first), *((name, first[name]) for name in STEPS if isinstance(first.get(name), dict)):
        defaults = {item.name: item.default for item in fields(STEPS[step] if step else Recipe)}
        for name, value in options.items():
            many = isinstance(value, list) and not (isinstance(defaults.get(name), tuple)
                                                    and not (value and isinstance(value[0], list)))
            if many:
                values = tuple(tuple(each) if isinstance(each, list) else each for each in value)
                if not values:
                    raise SpecError(f"[recipe{'.' if step else ''}{step}] {name} = []: expected at least one value")
                axes[f"{step}.{name}" if step else name] = values
                options[name] = values[0]
    recipe = merged(first, {})
    for name, values in axes.items():
        for value in values:
            merged(first, {name: value})        # refuses what the recipe does not take
    return recipe, tuple(axes.items())


def _section(kind: Any, name: str, table: Mapping[str, Any]) -> Any:
    known = {item.name: item.type for item in fields(kind)}
    for key in table:
        if key not in known:
            raise SpecError(f"[{name}] unknown key {key!r}; it has {', '.join(known)}")
    return kind(**{key: _value(f"[{name}] {key}", value, known[key]) for key, value in table.items()})


def _value(where: str, value: Any, kind: Any) -> Any:
    """``value`` as ``kind``: int, float, str, or a tuple of one of them; a single value is a list of one."""
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        values = value if isinstance(value, list) else [value]
        if not values:
            raise SpecError(f"{where} = []: expected a list with at least one entry; write {_key_of(where)} = [...]")
        return tuple(_value(where, entry, inner) for entry in values)
    kind = next((inner for inner in get_args(kind) if inner is not type(None)), kind)     # of one that may be left out
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise SpecError(f"{where} = {value!r}: expected {KINDS[kind]}")
    return value


def _key_of(where: str) -> str:
    return where.split("] ")[-1]
