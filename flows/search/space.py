"""The design space that ``heddle explore`` searches: read from TOML, checked, and enumerable."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_origin

from boards import BOARDS, check_design
from flows.estimate.program import DEFAULT_CLOCK_MHZ
from flows.run.toml import read_toml
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS
from sw.quant.config import TrainConfig, short_name
from sw.quant.recipe import TRAINED_BITS, QuantError, Recipe, recipe_of

__all__ = ["DEFAULT_SPACE", "HARDWARE_FIRST", "MODEL_FIRST", "Candidate", "Space", "load_space"]

DEFAULT_SPACE, MODEL_FIRST, HARDWARE_FIRST = (Path(__file__).with_name(name) for name in (
    "space.toml", "model_first.toml", "hardware_first.toml"))
LARGEST = {"act_bytes": 131072, "weight_bytes": 524288}  # memories before a program has shown what it needs
KINDS = {int: "a whole number", float: "a number", str: 'text in "quotes"', bool: "true or false"}


@dataclass(frozen=True, kw_only=True, order=True)
class Candidate:
    """One point of the space: a network on an accelerator on a board. Its memories follow from the program."""

    network: str
    width: float
    weight_bits: int
    rows: int
    cols: int
    lanes: int
    multiplier: str
    requantizers: int
    requantizer_dsps: int = 4
    depthwise_taps: int = 1
    board: str

    @property
    def id(self) -> str:
        """Readable and unique in a space; a folder name."""
        dsps = "" if self.requantizer_dsps == 4 else f"d{self.requantizer_dsps}"
        return (f"{short_name(self.network)}-{self.width:g}-w{self.weight_bits}-{self.rows}x{self.cols}x{self.lanes}"
                f"-{self.multiplier}-r{self.requantizers}{dsps}-t{self.depthwise_taps}-{self.board}")

    def design(self, *, act_bytes: int = LARGEST["act_bytes"],
               weight_bytes: int = LARGEST["weight_bytes"]) -> DesignPoint:
        """Raises SpecError where the combination cannot be built."""
        return DesignPoint(rows=self.rows, cols=self.cols, lanes=self.lanes,
                           weight_bits=MULTIPLIERS[self.multiplier].design_bits(self.weight_bits),
                           multiplier=self.multiplier, requantizers=self.requantizers,
                           requantizer_dsps=self.requantizer_dsps, depthwise_taps=self.depthwise_taps,
                           board=self.board, act_bytes=act_bytes, weight_bytes=weight_bytes)


@dataclass(frozen=True, kw_only=True)
class Networks:
    names: tuple[str, ...] = ("mlp", "dscnn", "strided")
    widths: tuple[float, ...] = (0.5, 1.0, 2.0)
    weight_bits: tuple[int, ...] = (8, 4, 2)


@dataclass(frozen=True, kw_only=True)
class Hardware:
    geometries: tuple[tuple[int, ...], ...] = ((1, 2, 4), (1, 4, 4), (2, 4, 4), (4, 2, 4), (1, 8, 4))
    multipliers: tuple[str, ...] = ("dsp", "lut")
    requantizers: tuple[int, ...] = (1, 2, 4)
    requantizer_dsps: tuple[int, ...] = (4,)
    depthwise_taps: tuple[int, ...] = (4,)
    boards: tuple[str, ...] = ("ulx3s-25", "ulx3s-45")
    clock_mhz: float = DEFAULT_CLOCK_MHZ


@dataclass(frozen=True, kw_only=True)
class Search:
    trials: int = 2000
    startup: int = 40
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


@dataclass(frozen=True, kw_only=True)
class Measure:
    points: int = 4
    inputs: int = 32
    seeds: int = 5
    min_accuracy: float = 0.97


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched and how much is spent on it.

    With a ``given`` design every network runs on that one, and the axes of ``hardware`` have one value each, its own.

    Raises
    ------
    SpecError
        If a value cannot be used; the message names table, key, value and the way out.
    """

    networks: Networks = field(default_factory=Networks)
    hardware: Hardware = field(default_factory=Hardware)
    search: Search = field(default_factory=Search)
    training: Training = field(default_factory=Training)
    recipe: Recipe = field(default_factory=Recipe)
    feedback: FeedbackPlan = field(default_factory=FeedbackPlan)
    measure: Measure = field(default_factory=Measure)
    given: DesignPoint | None = None

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise SpecError(problem)

    def candidates(self) -> Iterator[Candidate]:
        """Every point that can be built, each once, in a fixed order."""
        nets, chips = self.networks, self.hardware
        for name, width, bits, (rows, cols, lanes), multiplier, requantizers, dsps, taps, board in product(
                nets.names, nets.widths, nets.weight_bits, chips.geometries, chips.multipliers, chips.requantizers,
                chips.requantizer_dsps, chips.depthwise_taps, chips.boards):
            candidate = Candidate(
                network=name, width=width, weight_bits=bits, rows=rows, cols=cols, lanes=lanes, multiplier=multiplier,
                requantizers=requantizers, requantizer_dsps=dsps, depthwise_taps=taps, board=board)
            if self.buildable(candidate):
                yield candidate

    def design(self, candidate: Candidate) -> DesignPoint:
        """Of a candidate. Raises SpecError where the combination cannot be built."""
        return replace(self.given, board=candidate.board) if self.given else candidate.design()

    def buildable(self, candidate: Candidate) -> bool:
        """Whether there is such a design, and its board has the cells for it; of an unknown board the job tells."""
        try:
            design = self.design(candidate)
            if candidate.board in BOARDS:
                check_design(design, BOARDS[candidate.board])
        except SpecError:
            return False
        return True

    def on(self, design: DesignPoint, boards: tuple[str, ...]) -> "Space":
        """The same networks on one design, without those whose weights it does not take.

        Narrower weights than the design's are taken where its products are exact: how far others err was measured with
        all bits.
        """
        exact = MULTIPLIERS[design.multiplier].exact(design.weight_bits)
        able = tuple(bits for bits in self.networks.weight_bits
                     if bits == design.weight_bits or exact and bits < design.weight_bits)
        if not able:
            raise SpecError(f"[networks] weight_bits = {list(self.networks.weight_bits)}: the design takes "
                            f"{design.weight_bits}-bit weights{' or fewer' if exact else ''}; add {design.weight_bits}")
        hardware = replace(
            self.hardware, geometries=((design.rows, design.cols, design.lanes),), multipliers=(design.multiplier,),
            requantizers=(design.requantizers,), requantizer_dsps=(design.requantizer_dsps,),
            depthwise_taps=(design.depthwise_taps,), boards=boards)
        return replace(self, networks=replace(self.networks, weight_bits=able), hardware=hardware, given=design,
                       feedback=replace(self.feedback, weight_bits=design.weight_bits))

    def config(self, network: str, width: float, weight_bits: int) -> TrainConfig:
        """How a network of the space is trained."""
        return TrainConfig(network=network, width=width, weight_bits=weight_bits, seed=self.training.seed,
                           recipe=self.recipe)

    def configs(self) -> Iterator[TrainConfig]:
        """Of every network of the space."""
        nets = self.networks
        for network, width, bits in product(nets.names, nets.widths, nets.weight_bits):
            yield self.config(network, width, bits)


def load_space(path: Path | None = None) -> Space:
    """The space in ``path``, or the default one.

    Raises
    ------
    SpecError
        If the file cannot be read, or a table, key or value is wrong.
    """
    path = path or DEFAULT_SPACE
    tables = read_toml(path, example="flows/search/space.toml")
    sections = {item.name: item.default_factory for item in fields(Space) if item.default_factory is not MISSING}
    for name in tables:
        if name not in sections:
            raise SpecError(f"{path}: unknown table [{name}]; a space has {', '.join(f'[{key}]' for key in sections)}")
    try:
        return Space(**{name: _section(sections[name], name, table) for name, table in tables.items()})
    except (SpecError, QuantError) as error:
        raise SpecError(f"{path}: {error}") from error


def _section(kind: Any, name: str, table: Any) -> Any:
    if not isinstance(table, dict):
        raise SpecError(f"{name} = {table!r}: this is a table; write [{name}] on a line of its own")
    if kind is Recipe:
        return recipe_of(table)
    known = {item.name: item.type for item in fields(kind)}
    for key in table:
        if key not in known:
            raise SpecError(f"[{name}] unknown key {key!r}; it has {', '.join(known)}")
    return kind(**{key: _value(f"[{name}] {key}", value, known[key]) for key, value in table.items()})


def _value(where: str, value: Any, kind: Any) -> Any:
    """``value`` as ``kind``: int, float, str, or a tuple of one of them."""
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or not value:
            raise SpecError(f"{where} = {value!r}: expected a list with at least one entry; write {key_of(where)} = "
                            f"[...]")
        return tuple(_value(where, entry, get_args(kind)[0]) for entry in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise SpecError(f"{where} = {value!r}: expected {KINDS[kind]}")
    return value


def key_of(where: str) -> str:
    return where.split("] ")[-1]


def _problems(space: Space) -> Iterator[str]:
    """Yield what is wrong, in the order of the file."""
    nets, chips = space.networks, space.hardware
    for name, section in vars(space).items():
        for item in fields(section) if section else ():
            value = getattr(section, item.name)
            if isinstance(value, tuple) and len(set(value)) != len(value):
                yield f"[{name}] {item.name}: an entry is there twice; keep one"
    names = [short_name(name) for name in nets.names]
    for name in names:
        if names.count(name) > 1:
            yield f"[networks] names: two are called {name} in the names of points; rename a file or a function"
    for bits in (*nets.weight_bits, space.feedback.weight_bits):
        if bits not in TRAINED_BITS:
            yield f"weight_bits = {bits}: choose from 8, 4 and 2"
    for width in (*nets.widths, space.feedback.width):
        if not 0.1 <= width <= 16:
            yield f"width {width:g}: choose width multipliers from 0.1 to 16"
    for kind in chips.multipliers:
        if kind not in MULTIPLIERS:
            yield f"[hardware] multipliers: {kind!r} is not one of {', '.join(MULTIPLIERS)}"
    for name, choices in (("requantizers", (1, 2, 4, 8, 16)), ("requantizer_dsps", (4, 2, 0)),
                          ("depthwise_taps", (1, 2, 4, 8, 16))):
        for value in getattr(chips, name):
            if value not in choices:
                yield f"[hardware] {name} = {value}: choose from {', '.join(map(str, choices))}"
    for geometry in chips.geometries if space.given is None else ():
        yield from _geometry_problems(geometry, min(nets.weight_bits))
    if not 5 <= chips.clock_mhz <= 200:
        yield f"[hardware] clock_mhz = {chips.clock_mhz:g}: choose 5 to 200"
    for name, low, high in (("search.trials", 1, 100000), ("search.startup", 1, 10000), ("feedback.seeds", 2, 100),
                            ("measure.points", 0, 100), ("measure.inputs", 1, 100000), ("measure.seeds", 1, 100)):
        table, key = name.split(".")
        value = getattr(getattr(space, table), key)
        if not low <= value <= high:
            yield f"[{table}] {key} = {value}: choose {low} to {high}"
    if not 0 <= space.measure.min_accuracy <= 1:
        yield f"[measure] min_accuracy = {space.measure.min_accuracy:g}: an accuracy is from 0 to 1"
    if space.given is None and next(space.candidates(), None) is None:
        yield ("no combination can be built: every requantizers is above cols, or every depthwise_taps above lanes; "
               "add requantizers = [1] and depthwise_taps = [1]")


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
