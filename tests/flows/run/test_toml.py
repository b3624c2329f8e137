import pytest

from flows.run.toml import read_toml
from hw.spec.errors import SpecError


def test_a_file_that_is_none_is_said_with_one_to_copy(tmp_path):
    path = tmp_path / "a.toml"
    with pytest.raises(SpecError, match=r"a\.toml: No such file or directory; give a TOML file, for "):
        read_toml(path, example="x")
    path.write_text("[a\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"a\.toml: not a TOML file .*; copy x and change it"):
        read_toml(path, example="x")
    path.write_bytes(b"a = '\xff'\n")
    with pytest.raises(SpecError, match=r"a\.toml: not a TOML file"):
        read_toml(path, example="x")
    path.write_text("a = 3\n[b]\nc = 'd'\n", encoding="utf-8")
    assert read_toml(path, example="x") == {"a": 3, "b": {"c": "d"}}
