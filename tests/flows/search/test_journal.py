import json

import optuna
import pytest

from flows.run.typed import from_plain
from flows.search.journal import Journal
from flows.search.parameters import parameters_of
from flows.search.point import Point
from flows.search.samplers import Told
from flows.search.space import Family, Space
from tests.support.points import point

SPACE = Space(networks=(Family(name="mlp", axes=(("width", (0.5, 1.0)),)), Family(name="dscnn", axes=(
    ("blocks", (2, 3)),))), recipe_axes=(("steps", (("pretrain", "quantize"), ("pretrain",))),))
TOLD = [Told(choice=choice, accuracy=0.9 + number / 1000, cost=1e-3) for number, choice in enumerate(SPACE.choices)]


@pytest.fixture
def database(tmp_path):
    return tmp_path / "deep" / "study.db"


def keep(database, told, name="a"):
    with Journal(database, name, SPACE.choices) as journal:
        for each in told:
            journal.add(each, [point(each.choice.name, 0.9, 1e-5, 1000)])


def trials(database, name="a"):
    return optuna.load_study(storage=f"sqlite:///{database}", study_name=name).trials


def test_a_trial_has_all_that_is_known_of_a_network(database):
    keep(database, TOLD)
    found = trials(database)
    assert [trial.params for trial in found] == [parameters_of(each.choice) for each in TOLD]
    assert [trial.values for trial in found] == [[each.accuracy, each.cost] for each in TOLD]
    assert [trial.user_attrs["network"] for trial in found] == [each.choice.id for each in TOLD]
    points = [from_plain(Point, plain, where="x") for plain in found[0].user_attrs["points"]]
    assert points == [point("mlp", 0.9, 1e-5, 1000)]
    study = optuna.load_study(storage=f"sqlite:///{database}", study_name="a")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["accuracy on valid", "least latency x LUTs, s"]
    assert len(study.best_trials) == 1      # Optuna's own tools can read it


@pytest.mark.parametrize("accuracy, cost", [(None, 1e-3), (0.9, None)])
def test_one_of_which_something_is_missing_has_failed(database, accuracy, cost):
    keep(database, [Told(choice=SPACE.choices[0], accuracy=accuracy, cost=cost), TOLD[1]])
    assert [trial.state.name for trial in trials(database)] == ["FAIL", "COMPLETE"]


def test_what_is_there_is_not_written_twice(database):
    keep(database, TOLD[:3])
    keep(database, TOLD[:2])
    keep(database, TOLD)
    assert [trial.user_attrs["network"] for trial in trials(database)] == [each.choice.id for each in TOLD]


def test_studies_of_one_database_do_not_mix(database):
    keep(database, TOLD)
    keep(database, TOLD[:2], name="b")
    assert [len(trials(database, name)) for name in ("a", "b")] == [len(TOLD), 2]


def test_a_damaged_database_is_put_aside(database):
    database.parent.mkdir()
    database.write_bytes(b"not a database" * 100)
    keep(database, TOLD[:2])
    assert len(trials(database)) == 2
    assert database.with_name("study.db.damaged").read_bytes() == b"not a database" * 100


def test_what_is_kept_is_plain(database):
    keep(database, TOLD[:1])
    trial, = trials(database)
    assert json.loads(json.dumps(trial.user_attrs)) == trial.user_attrs
