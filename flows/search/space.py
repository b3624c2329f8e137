"""The design space that ``heddle explore`` searches: its axes, what contradicts itself in them, and its points."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from boards import BOARDS, check_design, find_board
from flows.estimate.resources import uncalibrated
from flows.search.candidate import Candidate, Chip, NetworkChoice, Pairs, Value, word
from flows.search.constraints import Constraint
from flows.search.samplers import SAMPLERS
from flows.train.recipes import merged
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.presets import PRESETS
from sw.quant.config import TrainConfig, short_name
from sw.quant.recipe import TRAINED_BITS, Recipe

__all__ = ["Family", "FeedbackPlan", "Hardware", "Measure", "Option", "Precision", "Search", "Space",
           "Training", "families"]

MOST_NETWORKS = 100_000
HARDWARE_NAMES = {*(item.name for item in fields(Chip)), "macs_per_cycle", "board"}     # in constraints
Axes = tuple[tuple[str, tuple[Value, ...]], ...]     # names and values


@dataclass(frozen=True, kw_only=True)
class Family:
    """Networks of one function, which differ in its arguments."""

    name: str               # a name of sw.models, or file.py:function
    axes: Axes = ()         # arguments of the function


def families(*names: str, **axes: tuple[Any, ...]) -> tuple[Family, ...]:
    """Of networks that have the same axes."""
    return tuple(Family(name=name, axes=tuple(axes.items())) for name in names)


@dataclass(frozen=True, kw_only=True)
class Precision:
    weight_bits: tuple[int, ...] = (8, 4, 2)
    layers: tuple[tuple[tuple[str, int], ...], ...] = ((),)     # bits of layers by name, that have others


@dataclass(frozen=True, kw_only=True)
class Hardware:
    geometries: tuple[tuple[int, ...], ...] = ((1, 2, 4), (1, 4, 4), (2, 4, 4), (4, 2, 4), (1, 8, 4))
    multipliers: tuple[str, ...] = ("dsp", "lut", "scalable")
    requantizers: tuple[int, ...] = (1, 2, 4)
    requantizer_dsps: tuple[int, ...] = (4,)
    depthwise_taps: tuple[int, ...] = (4,)
    boards: tuple[str, ...] = ("ulx3s-25", "ulx3s-45")
    clock_mhz: float | None = None      # None: what SoCs of all boards are built for


@dataclass(frozen=True, kw_only=True)
class Search:
    trials: int = 60
    sampler: str = "auto"
    halving: int = 1
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Training:
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class FeedbackPlan:
    network: str = "dscnn"
    width: float = 0.5
    weight_bits: int = 8
    seeds: int = 5

    @property
    def choice(self) -> NetworkChoice:
        return NetworkChoice(name=self.network, settings=(("width", self.width),), weight_bits=self.weight_bits)


@dataclass(frozen=True, kw_only=True)
class Measure:
    points: int = 3
    inputs: int = 32
    seeds: int = 3
    min_accuracy: float = 0.97


@dataclass(frozen=True, kw_only=True)
class Option:
    """An accelerator that can be built for a network."""

    chip: Chip
    design: DesignPoint             # with the largest memories, or the one that is given; on no board of its own
    boards: tuple[str, ...]         # that take it, the smallest first


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched and how much is spent on it.

    With a ``given`` design every network runs on that one, and the axes of ``hardware`` have one value each, its own.

    Raises
    ------
    SpecError
        If a value cannot be used; the message names table, key, value and the way out.
    """

    networks: tuple[Family, ...] = families("mlp", "dscnn", "strided", width=(0.5, 1.0, 2.0))
    precision: Precision = field(default_factory=Precision)
    data: Axes = ()                     # options of the data
    hardware: Hardware = field(default_factory=Hardware)
    search: Search = field(default_factory=Search)
    training: Training = field(default_factory=Training)
    recipe: Recipe = field(default_factory=Recipe)
    recipe_axes: Axes = ()              # keys of the recipe that have several values
    feedback: FeedbackPlan = field(default_factory=FeedbackPlan)
    measure: Measure = field(default_factory=Measure)
    constraints: tuple[Constraint, ...] = ()
    given: DesignPoint | None = None

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise SpecError(problem)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is computed again."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @cached_property
    def choices(self) -> tuple[NetworkChoice, ...]:
        """Every network of the space that meets the constraints, each once, in a fixed order."""
        return tuple(choice for choice in self._networks() if self._meets(choice.values))

    @property
    def clock_mhz(self) -> float:
        """Of the engine and its SoC; where none is given the lowest of those that the boards' SoCs are built for."""
        return self.hardware.clock_mhz or min(find_board(name).soc_mhz for name in self.hardware.boards)

    @property
    def names(self) -> frozenset[str]:
        """Of all axes, as constraints have them."""
        return frozenset({name for choice in self.choices for name in choice.values} | HARDWARE_NAMES)

    def _networks(self) -> Iterator[NetworkChoice]:
        precision = self.precision
        for family in self.networks:
            for settings, bits, layers, data, recipe in product(
                    _combined(family.axes), precision.weight_bits, precision.layers, _combined(self.data),
                    _combined(self.recipe_axes)):
                yield NetworkChoice(name=family.name, settings=settings, weight_bits=bits, layers=layers, data=data,
                                    recipe=recipe)

    def options(self, choice: NetworkChoice) -> tuple[Option, ...]:
        """Every accelerator for a network, with the boards that take it.

        One that gains nothing by the width of some weights is none, unless it is given.
        """
        found = (option for option in self._designs(choice.widest)
                 if self.given or choice.widths <= set(option.design.paying_bits))
        return tuple(kept for option in found if (kept := _kept(option, choice, self.constraints)).boards)

    @property
    def all_options(self) -> tuple[Option, ...]:
        """Every accelerator for weights of the widths that there are, whichever network it is for."""
        widths = sorted({choice.widest for choice in self.choices}, reverse=True)
        return tuple(option for bits in widths for option in self._designs(bits))

    def _designs(self, weight_bits: int) -> tuple[Option, ...]:
        if weight_bits not in self._known:
            self._known[weight_bits] = tuple(self._made(weight_bits))
        return self._known[weight_bits]

    @cached_property
    def _known(self) -> dict[int, tuple[Option, ...]]:
        return {}

    def _made(self, weight_bits: int) -> Iterator[Option]:
        boards = sorted(self.hardware.boards, key=lambda name: BOARDS[name].budget["lut"] if name in BOARDS else 0)
        for chip in self._chips():
            try:
                design = self.given or chip.design(weight_bits)
            except SpecError:       # another combination is meant
                continue
            if able := tuple(board for board in boards if not _lack(board, design)):
                yield Option(chip=chip, design=design, boards=able)

    def _chips(self) -> Iterator[Chip]:
        chips = self.hardware
        for (rows, cols, lanes), multiplier, requantizers, dsps, taps in product(
                chips.geometries, chips.multipliers, chips.requantizers, chips.requantizer_dsps, chips.depthwise_taps):
            yield Chip(rows=rows, cols=cols, lanes=lanes, multiplier=multiplier, requantizers=requantizers,
                       requantizer_dsps=dsps, depthwise_taps=taps)

    @property
    def refusal(self) -> str:
        """Why the last combination of all cannot be built."""
        *_, chip = self._chips()
        try:
            design = self.given or chip.design(max(self.precision.weight_bits))
        except SpecError as error:
            return str(error)
        return _lack(self.hardware.boards[-1], design)

    def candidates(self) -> Iterator[Candidate]:
        """Every point that can be built, each once, in a fixed order."""
        for choice in self.choices:
            for option in self.options(choice):
                for board in option.boards:
                    yield Candidate(network=choice, chip=option.chip, board=board)

    def design(self, candidate: Candidate) -> DesignPoint:
        """Of a candidate. Raises SpecError where the combination cannot be built."""
        return replace(self.given or candidate.chip.design(candidate.network.widest), board=candidate.board)

    def _meets(self, values: dict[str, Any]) -> bool:
        return all(constraint.holds(values) for constraint in self.constraints if constraint.applies(values))

    def on(self, design: DesignPoint, boards: tuple[str, ...]) -> "Space":
        """The same networks on one design, without those whose weights it does not take.

        Narrower weights than the design's are taken where its products are exact: how far others err was measured with
        all bits.
        """
        exact = MULTIPLIERS[design.multiplier].exact(design.weight_bits)
        able = tuple(bits for bits in self.precision.weight_bits
                     if bits == design.weight_bits or exact and bits < design.weight_bits)
        if not able:
            raise SpecError(f"[precision] weight_bits = {list(self.precision.weight_bits)}: the design takes "
                            f"{design.weight_bits}-bit weights{' or fewer' if exact else ''}; add {design.weight_bits}")
        hardware = replace(
            self.hardware, geometries=((design.rows, design.cols, design.lanes),), multipliers=(design.multiplier,),
            requantizers=(design.requantizers,), requantizer_dsps=(design.requantizer_dsps,),
            depthwise_taps=(design.depthwise_taps,), boards=boards)
        return replace(self, precision=replace(self.precision, weight_bits=able), hardware=hardware, given=design,
                       feedback=replace(self.feedback, weight_bits=design.weight_bits))

    def config(self, choice: NetworkChoice) -> TrainConfig:
        """How a network of the space is trained. Raises QuantError where a value of its recipe cannot be used."""
        settings: dict[str, Any] = dict(choice.settings)
        changes = dict(choice.recipe)
        if choice.layers:
            changes["quantize.layers"] = choice.layers
        return TrainConfig(network=choice.name, width=settings.pop("width", 1.0), settings=tuple(settings.items()),
                           weight_bits=choice.weight_bits, seed=self.training.seed,
                           recipe=merged(asdict(self.recipe), changes) if changes else self.recipe)

    def source(self, choice: NetworkChoice, data: str) -> str:
        """What ``--data`` would say for a network, whose options of the data are its own."""
        return ",".join([data, *(f"{name}={value}" for name, value in choice.data)])


def _combined(axes: Axes) -> list[Pairs]:
    names = [name for name, _ in axes]
    return [tuple(zip(names, values, strict=True)) for values in product(*(values for _, values in axes))]


def _lack(board: str, design: DesignPoint) -> str:
    """The cells of a design that a board's device lacks, or that its size is unknown, or nothing; of an unknown board
    the job tells."""
    try:
        if board in BOARDS:
            check_design(replace(design, board=board), BOARDS[board])
    except SpecError as error:
        return str(error)
    return uncalibrated(design, BOARDS[board]) if board in BOARDS else ""


def _kept(option: Option, choice: NetworkChoice, constraints: tuple[Constraint, ...]) -> Option:
    """With the boards on which a network meets the constraints that speak of hardware."""
    values = {**choice.values, **option.chip.values}
    asked = [constraint for constraint in constraints if not constraint.applies(choice.values)]
    return replace(option, boards=tuple(
        board for board in option.boards
        if all(constraint.holds({**values, "board": board}) for constraint in asked
               if constraint.applies({**values, "board": board})))) if asked else option


def _problems(space: Space) -> Iterator[str]:
    """Yield what is wrong, in the order of the file."""
    chips = space.hardware
    yield from _axis_problems(space)
    for where, bits in (*(("[precision] weight_bits", bits) for bits in space.precision.weight_bits),
                        *((f"[precision] layers: {name}", bits) for layers in space.precision.layers
                          for name, bits in layers),
                        ("[feedback] weight_bits", space.feedback.weight_bits)):
        if bits not in TRAINED_BITS:
            yield f"{where} = {bits}: choose from 8, 4, 2 and 1"
    for kind in chips.multipliers:
        if kind not in MULTIPLIERS:
            yield f"[hardware] multipliers: {kind!r} is not one of {', '.join(MULTIPLIERS)}"
    for name, choices in (("requantizers", (1, 2, 4, 8, 16)), ("requantizer_dsps", (4, 2, 0)),
                          ("depthwise_taps", (1, 2, 4, 8, 16))):
        for value in getattr(chips, name):
            if value not in choices:
                yield f"[hardware] {name} = {value}: choose from {', '.join(map(str, choices))}"
    for geometry in chips.geometries if space.given is None else ():
        yield from _geometry_problems(geometry, min(space.precision.weight_bits))
    if space.search.sampler not in ("auto", *SAMPLERS):
        yield f"[search] sampler = {space.search.sampler!r}: choose from auto, {', '.join(SAMPLERS)}"
    if chips.clock_mhz is not None and not 5 <= chips.clock_mhz <= 200:
        yield f"[hardware] clock_mhz = {chips.clock_mhz:g}: choose 5 to 200"
    for name, low, high in (("search.trials", 1, 100000), ("search.halving", 1, 10), ("feedback.seeds", 2, 100),
                            ("measure.points", 0, 100), ("measure.inputs", 1, 100000), ("measure.seeds", 1, 100)):
        table, key = name.split(".")
        value = getattr(getattr(space, table), key)
        if not low <= value <= high:
            yield f"[{table}] {key} = {value}: choose {low} to {high}"
    if not 0 <= space.measure.min_accuracy <= 1:
        yield f"[measure] min_accuracy = {space.measure.min_accuracy:g}: an accuracy is from 0 to 1"
    yield from _empty(space)


def _axis_problems(space: Space) -> Iterator[str]:
    names = [short_name(family.name) for family in space.networks]
    for name in names:
        if names.count(name) > 1:
            yield (f"[networks]: two are called {name} in the names of points; rename a file or a function, or write "
                   f"one table")
    axes = [(f"[networks.{family.name}]", family.axes) for family in space.networks]
    tables = [(f"[{name}]", tuple(vars(getattr(space, name)).items()))
              for name in ("precision", "hardware", "search", "measure")]
    for table, found in (*axes, *tables, ("[data]", space.data), ("[recipe]", space.recipe_axes)):
        for name, values in found:
            if isinstance(values, tuple) and len(set(values)) != len(values):
                yield f"{table} {name}: an entry is there twice; keep one"
    yield from _twice(space)
    widths = [(table, value) for table, found in axes for name, values in found if name == "width" for value in values]
    for table, width in (*widths, ("[feedback]", space.feedback.width)):
        if not isinstance(width, int | float) or isinstance(width, bool) or not 0.1 <= width <= 16:
            yield f"{table} width = {width!r}: choose width multipliers from 0.1 to 16"
    count = len(space.precision.weight_bits) * len(space.precision.layers)
    for _, values in (*space.data, *space.recipe_axes):
        count *= len(values)
    sizes = [prod(len(values) for _, values in family.axes) for family in space.networks]
    if sum(sizes) * count > MOST_NETWORKS:
        yield f"{sum(sizes) * count:,} networks are more than {MOST_NETWORKS:,}; give axes fewer values"


def _twice(space: Space) -> Iterator[str]:
    """Axes that conditions, or trainings, could not tell apart."""
    asked = {name for constraint in space.constraints for name in constraint.names}
    others = {**dict.fromkeys(HARDWARE_NAMES, "[hardware]"), "network": "[networks]", "weight_bits": "[precision]",
              **{f"{word(name)}_bits": "[precision]" for layers in space.precision.layers for name, _ in layers}}
    for table, found in (("[data]", space.data), ("[recipe]", space.recipe_axes),
                         *((f"[networks.{family.name}]", family.axes) for family in space.networks)):
        for name, _ in found:
            if word(name) in others and word(name) in asked:
                yield (f"{table} {name}: {others[word(name)]} has an axis of that name too, and conditions could not "
                       f"tell them apart; rename the function's argument")
        if not table.startswith("[networks."):
            others |= {word(name): table for name, _ in found}
    if space.recipe.quantize.layers and any(space.precision.layers):
        yield ("[recipe] quantize.layers and [precision] layers: bits of layers are there twice; keep those of "
               "[precision]")


def _empty(space: Space) -> Iterator[str]:
    """What leaves nothing to search."""
    if not space.networks:
        yield "[networks]: there is none; write a table such as [networks.dscnn]"
    elif not space.choices:
        yield from _contradictions(space)
    elif space.given is None and not any(map(space.options, space.choices)):
        yield from _contradictions(space)
        yield f"no combination can be built; the last of them: {space.refusal}{_instead(space.hardware.boards[-1])}"
    for constraint in space.constraints:
        if unknown := sorted(constraint.names - space.names):
            yield (f"constraints: {constraint.text!r}: there is no axis {unknown[0]!r}; there are "
                   f"{', '.join(sorted(space.names))}")
    names = Counter(choice.id for choice in space.choices)
    if doubled := next((name for name, count in names.items() if count > 1), ""):
        yield f"two networks are called {doubled} in the names of points; write a value in other letters"


def _instead(board: str) -> str:
    """What a board that takes none of the arrays of a space may be searched with."""
    able = next((name for name, design in PRESETS.items() if board in BOARDS and not _lack(board, design)), "")
    return f"; or search networks alone: --design {able}" if able else ""


def _contradictions(space: Space) -> Iterator[str]:
    """The first constraint with which nothing is left."""
    for count, constraint in enumerate(space.constraints):
        try:
            replace(space, constraints=space.constraints[:count])
        except SpecError:       # one before it, or none at all
            return
        if count + 1 == len(space.constraints) or not _leaves(space, count + 1):
            others = f", with {' and '.join(repr(each.text) for each in space.constraints[:count])}" if count else ""
            yield (f"constraints: no point meets {constraint.text!r}{others}; drop one, or give its axes more values")
            return


def _leaves(space: Space, count: int) -> bool:
    """Whether the first constraints leave a point."""
    try:
        replace(space, constraints=space.constraints[:count])
    except SpecError:
        return False
    return True


def _geometry_problems(geometry: tuple[int, ...], weight_bits: int) -> Iterator[str]:
    where = f"[hardware] geometries: {list(geometry)}"
    if len(geometry) != 3:
        yield f"{where} has {len(geometry)} entries; write [rows, cols, lanes]"
        return
    rows, cols, lanes = geometry
    try:
        DesignPoint(rows=rows, cols=cols, lanes=lanes, weight_bits=weight_bits)
    except SpecError as error:
        yield f"{where}: {error}"
