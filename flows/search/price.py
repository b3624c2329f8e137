"""What networks cost before one is trained, for those who ask for all of them: on few accelerators."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from time import process_time

from flows.run.step import Step
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from flows.search.candidate import NetworkChoice
from flows.search.fits import Fitting, places_of
from flows.search.space import Option, Space
from flows.search.worth import fittings

__all__ = ["Price", "Priced", "prices"]

RECORD = "price.json"


@dataclass(frozen=True, kw_only=True)
class Priced:
    """The cheapest of some accelerators for a network."""

    cost: float | None      # least latency x LUTs, s; None where none fits
    cpu_seconds: float      # that finding this took


@dataclass(frozen=True, kw_only=True)
class Price(Step[Priced]):
    """Of a network on some accelerators, with memories in closed form: what :class:`Fitting` gives for all that it
    compiles besides, in a third of the time.
    """

    kind = "price"
    fitting: Fitting

    def make(self, folder: Path, store: Store) -> None:
        began, asked = process_time(), self.fitting
        if asked.given:         # whose memories are its own
            places = {fit.number: (fit.cycles, fit.estimate.lut) for fit in asked.value(store).front}
        else:
            places = places_of(asked)
        least = min((cycles * lut for cycles, lut in places.values()), default=None)
        write_typed(folder / RECORD, Priced(cost=None if least is None else least / (asked.clock_mhz * 1e6),
                                            cpu_seconds=process_time() - began))

    def load(self, folder: Path) -> Priced:
        return read_typed(Priced, folder / RECORD)


def prices(space: Space, choice: NetworkChoice, model: Path) -> Iterator[Price]:
    """On the space's array of middle size, with all that goes with it; on every array where a network may not have that
    one. One for each kind of products.
    """
    options = space.options(choice)
    arrays = sorted(space.hardware.geometries, key=prod)
    some = [option for option in options if _array(option) == arrays[len(arrays) // 2]]
    for group in fittings(space, choice, model, some or options):
        yield Price(fitting=group.fitting)


def _array(option: Option) -> tuple[int, int, int]:
    return option.chip.rows, option.chip.cols, option.chip.lanes
