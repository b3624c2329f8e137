import os
import time

import pytest

from flows.report import recording as module
from flows.report.recording import STATE, State, recording
from flows.run.files import read_json
from flows.run.progress import advance, count, listening, note, tell, work
from flows.run.typed import from_plain
from hw.spec.errors import SpecError
from tests.support.listener import Heard


def state(folder):
    return from_plain(State, read_json(folder / STATE), where="state")


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.02)


def settled(folder, true):
    until = time.monotonic() + 20
    while not true(found := state(folder)):
        assert time.monotonic() < until, found
        time.sleep(0.01)
    return found


def test_what_is_told_is_in_the_file_and_goes_on_to_who_listened_before(tmp_path):
    heard = Heard()
    with listening(heard), recording(tmp_path, "digits"):
        with work("first", 1):
            advance()
        with work("outer", 9), work("inner", 3):
            count(2)
            tell("training", task="a")
            tell("routing", task="b")
            tell("", task="a")
            note("failed: c")
            found = settled(tmp_path, lambda state: state.notes)
    assert found.asked == "digits" and found.ended == ""
    assert [(one.title, one.done, one.total) for one in found.works] == [("outer", 0, 9), ("inner", 2, 3)]
    assert [(one.title, one.done, one.ended_s is None) for one in found.past] == [("first", 1, False)]
    assert [(one.name, one.text) for one in found.tasks] == [("b", "routing")]
    assert heard.works == [("first", 1), "ended", ("outer", 9), ("inner", 3), "ended", "ended"]
    assert heard.counts == [(1, None), (2, None)] and heard.noted_ == ["failed: c"]
    assert heard.told_ == [("a", "training"), ("b", "routing"), ("a", "")]


def test_a_run_that_ends_well_leaves_no_file(tmp_path):
    with recording(tmp_path, "digits"):
        assert state(tmp_path).asked == "digits"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error, why", [
    (SpecError("rows=0: too few"), "rows=0: too few"), (KeyboardInterrupt(), "interrupted"),
    (KeyError("x"), "KeyError: 'x'")])
def test_another_end_is_in_the_file(tmp_path, error, why):
    heard = Heard()
    with listening(heard):
        with pytest.raises(type(error)):
            with recording(tmp_path, "digits"):
                raise error
        note("after")
    assert state(tmp_path).ended == why
    assert heard.noted_ == ["after"]        # it listens again


def test_a_run_with_nothing_new_to_say_shows_that_it_is_alive(tmp_path):
    with recording(tmp_path, "digits"):
        settled(tmp_path, lambda state: True)
        content = (tmp_path / STATE).read_bytes()
        os.utime(tmp_path / STATE, (0, 0))
        until = time.monotonic() + 20
        while (tmp_path / STATE).stat().st_mtime == 0:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert (tmp_path / STATE).read_bytes() == content


def test_units_that_come_from_the_store_set_no_pace(tmp_path, monkeypatch):
    with recording(tmp_path, "digits"), work("training", 10):
        monkeypatch.setattr(module, "AT_ONCE_S", 1000.0)
        count(4)
        monkeypatch.setattr(module, "AT_ONCE_S", 0.0)
        count(5)
        found, = settled(tmp_path, lambda state: state.works and state.works[0].done == 5).works
    assert found.paced_done == 4 and found.paced_s >= found.began_s
