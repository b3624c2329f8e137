"""Recipes from a file and from the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.run.toml import read_toml
from hw.spec.errors import SpecError
from sw.quant.recipe import QuantError, Recipe, recipe_of

__all__ = ["RecipeFile", "merged", "read_recipe"]

TABLES = ("recipe", "network")


@dataclass(frozen=True, kw_only=True)
class RecipeFile:
    """What is in a recipe's file: plain values of :class:`Recipe`, and arguments of the network's function."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> RecipeFile:
    """``[recipe]`` with a table for each step, such as ``[recipe.quantize]``, and ``[network]``.

    Raises
    ------
    SpecError
        If the file cannot be read, or a table, key or value is wrong.
    """
    tables = read_toml(path, example="the one in docs/recipes.md")
    for name, table in tables.items():
        if name not in TABLES or not isinstance(table, dict):
            raise SpecError(f"{path}: unknown table [{name}]; a recipe has [recipe] and [network]")
    found = RecipeFile(**tables)
    try:
        recipe_of(found.recipe)
    except QuantError as error:
        raise SpecError(f"{path}: {error}") from error
    return found


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> Recipe:
    """A recipe of plain values, with ``changes`` by name on top, those of a step as ``step.name``."""
    plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in table.items()}
    for name, value in changes.items():
        step, _, option = name.rpartition(".")
        (plain.setdefault(step, {}) if step else plain)[option] = value
    return recipe_of(plain)
