from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flows.run.typed import from_plain, read_typed, to_plain, write_typed
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError


@dataclass(frozen=True, kw_only=True)
class Inner:
    numbers: tuple[int, ...]
    place: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: tuple[Inner, ...]
    design: DesignPoint | None = None
    path: Path = Path("x")
    shares: Mapping[str, float] = field(default_factory=dict)
    settings: tuple[bool | int | float | str | tuple[Any, ...], ...] = ()


VALUE = Outer(inner=(Inner(numbers=(1, 2), place=(3, 4)), Inner(numbers=())), design=DesignPoint(rows=4),
              path=Path("a/b"), shares={"lut": 0.5}, settings=(True, 1, 2.0, "x", ("y", (3,))))


def test_values_survive_a_file(tmp_path):
    write_typed(tmp_path / "value.json", VALUE)
    assert read_typed(Outer, tmp_path / "value.json") == VALUE
    assert to_plain(VALUE)["path"] == "a/b"


@pytest.mark.parametrize("change, says", [
    ({"more": 1}, r"^here: not a Outer of this version \(extra fields found \(more\) @ \$\)$"),
    ({"inner": [{"numbers": ["x"]}]}, r"^here: not a Outer of this version \(invalid value.*\$.inner\[0\].numbers"),
    ({"inner": 5}, r"^here: not a Outer of this version"),
    ({"settings": [["x", {}]]}, r"^here: not a Outer of this version \(invalid value .*\$.settings\[0\]"),
    ({"design": {"rows": 3}}, r"^here: not a Outer of this version \(.*rows=3: choose a power of two"),
])
def test_what_is_no_such_value_says_where(change, says):
    with pytest.raises(HeddleError, match=says):
        from_plain(Outer, to_plain(VALUE) | change, where="here")


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "value.json").write_text("{")
    with pytest.raises(HeddleError, match=r"value.json: not written as expected \(.*\); run `make clean` and try"):
        read_typed(Outer, tmp_path / "value.json")
