import pytest

from flows.run.progress import listening
from flows.search import sampler
from flows.search.pareto import front
from flows.search.point import Point
from flows.search.sampler import search
from flows.search.space import Hardware, Networks, Search, Space
from tests.support.listener import Heard
from tests.support.points import metrics, without_data

SMALL = Space(search=Search(trials=30, startup=8, seed=4))


def fake(candidate):
    """Wide and precise is accurate, large arrays are fast and big; 2-bit dscnn fails; 8 columns exceed the board."""
    if candidate.network == "dscnn" and candidate.weight_bits == 2:
        return Point(candidate=candidate, failure="made to fail")
    macs = candidate.rows * candidate.cols * candidate.lanes
    estimated = metrics(1 - 1 / (candidate.width * candidate.weight_bits + 2), candidate.width / macs,
                        4000 + 100 * macs * candidate.weight_bits)
    return Point(candidate=candidate, estimated=estimated, violations={"lut": 0.5} if candidate.cols == 8 else {})


def test_every_candidate_once_and_failures_do_not_count(tmp_path):
    heard = Heard()
    with listening(heard):
        outcomes = search(SMALL, fake, database=tmp_path / "study.db", key="a")
    seen = heard.counts
    assert len({item.candidate for item in outcomes}) == len(outcomes)
    assert sum(not item.failure for item in outcomes) == 30
    assert any(item.failure == "made to fail" for item in outcomes)
    assert seen[0] == (0, 30) and seen[-1] == (30, 30)


def test_an_interrupted_search_equals_one_that_was_not(tmp_path):
    calls = []

    def interrupted(candidate):
        if len(calls) == 17:
            calls.append("stop")
            raise KeyboardInterrupt
        calls.append(candidate)
        return fake(candidate)

    with pytest.raises(KeyboardInterrupt):
        search(SMALL, interrupted, database=tmp_path / "stopped.db", key="a")
    resumed = search(SMALL, interrupted, database=tmp_path / "stopped.db", key="a")
    whole = search(SMALL, fake, database=tmp_path / "whole.db", key="a")
    assert len(calls) == len(whole) + 1
    assert resumed == whole


def test_a_finished_search_evaluates_nothing(tmp_path):
    first = search(SMALL, fake, database=tmp_path / "study.db", key="a")
    again = search(SMALL, lambda candidate: pytest.fail("evaluated again"), database=tmp_path / "study.db", key="a")
    assert again == first


def test_a_damaged_database_is_put_aside(tmp_path):
    (tmp_path / "study.db").write_bytes(b"not a database" * 100)
    assert len(search(SMALL, fake, database=tmp_path / "study.db", key="a")) >= 30
    assert (tmp_path / "study.db.damaged").exists()


FEW = Space(networks=Networks(names=("mlp",), widths=(1.0,), weight_bits=(8,)), hardware=Hardware(requantizers=(1, 2)))


def test_a_small_space_is_enumerated_and_asks_no_sampler(tmp_path, monkeypatch):
    monkeypatch.setattr(sampler, "_sampler", lambda space, seed: pytest.fail("a sampler was asked"))
    outcomes = search(FEW, fake, database=tmp_path / "study.db", key="a")
    assert [item.candidate for item in outcomes] == list(FEW.candidates())
    with pytest.raises(pytest.fail.Exception, match="a sampler was asked"):
        search(SMALL, fake, database=tmp_path / "large.db", key="a")


def test_an_interrupted_enumeration_goes_on(tmp_path):
    def interrupted(candidate):
        if candidate == list(FEW.candidates())[5]:
            raise KeyboardInterrupt
        return fake(candidate)

    with pytest.raises(KeyboardInterrupt):
        search(FEW, interrupted, database=tmp_path / "stopped.db", key="a")
    calls = []
    resumed = search(FEW, lambda candidate: calls.append(candidate) or fake(candidate),
                     database=tmp_path / "stopped.db", key="a")
    assert calls == list(FEW.candidates())[5:] and resumed == list(map(fake, FEW.candidates()))


def test_search_finds_most_of_the_front(tmp_path):
    space = Space(search=Search(trials=60, startup=20, seed=2), hardware=Hardware(boards=("ulx3s-25",)),
                  networks=Networks(weight_bits=(8, 4)))
    outcomes = [item for item in search(space, fake, database=tmp_path / "study.db", key="a") if item.feasible]
    everything = [item for item in map(fake, space.candidates()) if item.feasible]
    found, true = ({item.metrics for item in front(items)} for items in (outcomes, everything))
    assert len(everything) > 4 * len(outcomes)
    assert len(found & true) >= 0.7 * len(true)


def test_what_is_not_wanted_is_not_looked_at(tmp_path):
    outcomes = search(SMALL, fake, database=tmp_path / "study.db", key="a",
                      wanted=lambda candidate: candidate.network == "mlp")
    assert {item.candidate.network for item in outcomes} == {"mlp"} and len(outcomes) == 30


@pytest.mark.filterwarnings("error")
def test_points_without_accuracy_are_searched(tmp_path):
    def unknown(candidate):
        found = fake(candidate)
        return found if found.failure else without_data(found)
    outcomes = search(SMALL, unknown, database=tmp_path / "study.db", key="a")
    assert search(SMALL, unknown, database=tmp_path / "study.db", key="a") == outcomes
    assert sum(item.estimated is not None and item.metrics.accuracy is None for item in outcomes) == 30
