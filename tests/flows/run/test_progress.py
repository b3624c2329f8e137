import threading

from flows.run.progress import advance, count, doing, listening, note, tell, this_task, work
from tests.support.listener import Heard


def test_without_a_listener_nothing_happens():
    with work("routing", total=2):
        tell("seed 1")
        advance()
        note("done")
    assert doing() == "seed 1"


def test_a_listener_hears_all_of_it():
    heard = Heard()
    with listening(heard), work("outer", total=2):
        advance()
        with work("inner"):
            count(5, 9)
            advance()
        advance()
        tell("seed 1", task="a")
        note("failed: a")
    assert heard.works == [("outer", 2), ("inner", None), "ended", "ended"]
    assert heard.counts == [(1, None), (5, 9), (6, None), (2, None)]
    assert heard.told_ == [("a", "seed 1")]
    assert heard.noted_ == ["failed: a"]


def test_a_work_that_fails_has_ended():
    heard = Heard()
    try:
        with listening(heard), work("routing"):
            raise KeyError
    except KeyError:
        pass
    assert heard.works == [("routing", None), "ended"]
    tell("nobody listens any more")
    assert heard.told_ == []


def test_a_task_has_its_own_thread():
    heard = Heard()

    def task(name):
        with this_task(name):
            tell("working")
            assert doing() == "working"

    with listening(heard):
        threads = [threading.Thread(target=task, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(heard.told_) == [("a", "working"), ("b", "working")]
