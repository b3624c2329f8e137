import pytest

from sw.data import DataError, load_dataset
from sw.data.options import Options
from sw.data.sources import SOURCES, Source

CHOICES = "choose digits, idx:DIR, mnist:DIR, .* or FILE.py:FUNCTION$"


@pytest.mark.parametrize("name, error", [
    ("cifar", f"data 'cifar': unknown; {CHOICES}"), ("", f"data '': unknown; {CHOICES}"), (".py", "unknown"),
    ("mnist", r"data 'mnist:': no such folder"),
    ("mnist:/nonexistent", r"data 'mnist:/nonexistent': no such folder"),
    ("digits,sed=1", r"data 'digits': no option 'sed'; there are seed, valid, augment$"),
    ("digits,test=0.5", r"data 'digits': no option 'test'; there are"),
    ("digits,seed=1,seed=2", r"the option seed is there twice"),
])
def test_wrong_names_are_one_clear_line(name, error):
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("failure, says", [
    (ValueError("here is odd"), "here is odd"), (MemoryError(), "the memory is too small")])
def test_what_a_source_fails_with_names_the_data(monkeypatch, failure, says):
    def broken(path, options):
        raise failure

    monkeypatch.setitem(SOURCES, "broken", Source(place="", options=Options, load=broken))
    with pytest.raises(DataError, match=rf"data 'broken:here,seed=1': {says}"):
        load_dataset("broken:here,seed=1")


def test_every_option_has_its_line():
    for source in SOURCES.values():
        assert all(each.metadata["says"] for each in source.options.__dataclass_fields__.values())
