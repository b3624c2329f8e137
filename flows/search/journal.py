"""``study.db``: what a search was told, for those who watch it and for Optuna's tools."""

import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

from flows.run.typed import to_plain
from flows.search.candidate import NetworkChoice
from flows.search.parameters import axes_of, parameters_of
from flows.search.point import Point
from flows.search.samplers import Told

__all__ = ["POINTS", "Journal"]

POINTS = "points"       # attribute of a trial: those of its network


class Journal:
    """One trial a network in an Optuna study, in the order in which they were told; nothing is read from it.

    A search that goes on tells the same again: what is there already is not written twice.
    """

    def __init__(self, database: Path, name: str, choices: Sequence[NetworkChoice]) -> None:
        import optuna  # slow to load; the command line does without it
        from optuna.storages import RDBStorage

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        database.parent.mkdir(parents=True, exist_ok=True)
        if not _whole(database):
            database.replace(database.with_name(f"{database.name}.damaged"))
        self.storage = RDBStorage(url=f"sqlite:///{database.resolve()}",
                                  engine_kwargs={"connect_args": {"timeout": 60, "factory": _Connection}})
        self.study = optuna.create_study(storage=self.storage, study_name=name, load_if_exists=True,
                                         directions=["maximize", "minimize"])
        with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
            self.study.set_metric_names(["accuracy on valid", "least latency x LUTs, s"])
        self.distributions = {name: optuna.distributions.CategoricalDistribution(values)
                              for name, values in axes_of(choices).items()}
        self.there, self.told = len(self.study.get_trials(deepcopy=False)), 0

    def add(self, told: Told, points: Sequence[Point]) -> None:
        """What came of a network."""
        from optuna.trial import TrialState, create_trial

        self.told += 1
        if self.told <= self.there:
            return
        parameters = parameters_of(told.choice)
        known = told.accuracy is not None and told.cost is not None
        self.study.add_trial(create_trial(
            state=TrialState.COMPLETE if known else TrialState.FAIL,
            values=[told.accuracy, told.cost] if known else None, params=parameters,
            distributions={name: self.distributions[name] for name in parameters},
            user_attrs={"network": told.choice.id, POINTS: [to_plain(point) for point in points]}))

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.storage.remove_session()
        self.storage.engine.dispose()     # else its connections stay open until they are found dead


def _whole(database: Path) -> bool:
    """Whether a database can be read, or is still to be made."""
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            return connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False


class _Connection(sqlite3.Connection):
    """Leaves it to the system when the disk is written: a killed process loses nothing by that."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA synchronous = OFF")
