import pytest

from sw.data import DataError, load_dataset
from sw.data.sources import SOURCES


@pytest.mark.parametrize("name, error", [
    ("cifar", r"data 'cifar': unknown; choose digits or mnist:PATH \(idx:PATH is the same\)"),
    ("", r"data '': unknown"),
    ("mnist", r"data 'mnist:': no such folder"),
    ("mnist:/nonexistent", r"data 'mnist:/nonexistent': no such folder"),
])
def test_wrong_names_are_one_clear_line(name, error):
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(name)
    assert "\n" not in str(caught.value)


def test_what_a_source_fails_with_names_the_data(monkeypatch):
    def broken(path):
        raise ValueError(f"{path} is odd")

    monkeypatch.setitem(SOURCES, "broken", broken)
    with pytest.raises(DataError, match=r"data 'broken:here': here is odd"):
        load_dataset("broken:here")
