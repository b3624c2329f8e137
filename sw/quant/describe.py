"""The page of a recipe's keys, from the dataclasses that hold them: ``python -m sw.quant.describe > docs/steps.md``."""

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

from sw.quant.recipe import STEPS, Recipe

__all__ = ["steps_page"]


def steps_page() -> str:
    """Markdown: what all steps share, and the options of each."""
    shared = [item for item in fields(Recipe) if item.name not in STEPS]
    lines = ["# Keys of a recipe", "", "<!-- Made by `python -m sw.quant.describe > docs/steps.md`. -->", "",
             "Of `[recipe]`, and options of `heddle train`: `learning_rate` is `--learning-rate`.", "", *_table(shared)]
    for name, kind in STEPS.items():
        lines += ["", f"## {name}", "", _first(kind.__doc__ or ""), "",
                  f"Of `[recipe.{name}]`; `{fields(kind)[0].name}` is `--{name}-{fields(kind)[0].name}`.", "",
                  *_table(fields(kind))]
    return "\n".join([*lines, ""])


def _table(items: Any) -> Iterator[str]:
    yield "| key | default | is |"
    yield "| --- | --- | --- |"
    for item in items:
        yield f"| `{item.name}` | {_value(item)} | {item.metadata['help'].replace('|', '&#124;')} |"


def _value(item: Field[Any]) -> str:
    value = item.default
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(
        value, float) else str(value)


def _first(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


if __name__ == "__main__":
    print(steps_page(), end="")
