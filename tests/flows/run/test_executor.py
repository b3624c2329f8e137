import pytest

from flows.run.executor import Failure, Mouth, guarded, hear
from flows.run.progress import listening, note, tell, work
from hw.spec.errors import SpecError
from tests.support.listener import Heard


def raising(error):
    def call():
        tell("at work")
        raise error
    return call


@pytest.mark.parametrize("error, reason", [
    (SpecError("rows=0: too few"), "rows=0: too few"),
    (OSError(28, "No space left on device", "/somewhere"), "/somewhere: No space left on device"),
    (OSError("odd"), "odd"),
    (MemoryError(), "out of memory; try --jobs 1"),
])
def test_what_may_happen_is_a_line_that_can_be_sent(error, reason):
    assert guarded(raising(error), "a") == Failure(reason=reason, doing="at work")


def test_a_programming_error_is_none():
    with pytest.raises(KeyError):
        guarded(raising(KeyError()), "a")


def test_a_value_comes_through_and_the_end_is_told():
    heard = Heard()
    with listening(heard):
        assert guarded(lambda: 7, "a") == 7
    assert heard.told_ == [("a", "")]


def test_what_is_sent_is_heard_at_the_other_end_but_for_counts():
    sent, heard = [], Heard()
    with listening(Mouth(sent.append)):
        with work("a part of a unit", 3):
            tell("at work", task="a")
            note("a line")
    with listening(heard):
        for message in sent:
            hear(message)
    assert (heard.told_, heard.noted_, heard.works) == ([("a", "at work")], ["a line"], [])
