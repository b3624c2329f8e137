"""How a network is trained: settings of every step, and the steps in their order. Loads no torch.

To add a step, write its options here, its function in ``sw.quant.stages`` and its line in the registry there.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hw.spec.errors import HeddleError

__all__ = ["OPTIMIZERS", "SCHEDULES", "STEPS", "TRAINED_BITS", "Correct", "Distill", "Pretrain", "Prune", "QuantError",
           "Quantize", "Recipe", "Settle", "described", "recipe_of"]

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "linear", "constant")
METHODS = ("auto", "post", "aware")
FORWARDS = ("stat", "exact", "none")
GRADIENTS = ("straight", "slope")
PRUNED = ("structured", "channels", "neurons", "weights")
CRITERIA = ("taylor", "scale", "magnitude")
TEACHERS = ("offline", "online", "self", "average")
FOLLOWED = ("response", "feature", "relation")
STEP_SIZES = ("statistics", "learned")
TRAINED_BITS = (8, 4, 2, 1)
ACT_BITS = (8, 4)
MOST_PASSES = 1e6
FROM_DATA = "data"
INFORMED = ("prune", "distill", "quantize", "settle")      # steps that may run on integers, and so with their errors


class QuantError(HeddleError, ValueError):
    """A training cannot be run, or its result not be lowered; the message names the field or the layer."""


def described(default: Any, text: str, *, pairs: bool = False) -> Any:
    """A field with the line that help and docs show for it; one of ``pairs`` has whole numbers by name."""
    return field(default=default, metadata={"help": text, "pairs": pairs})


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Training in floating point."""

    passes: float = described(0.0, "over the training inputs; 0: the recipe's, of 2-bit weights 0.4 of them")


@dataclass(frozen=True, kw_only=True)
class Prune:
    """Removing what matters least, and training behind it."""

    kind: str = described("structured", "channels (of convolutions), neurons (of dense layers), structured (both), or "
                                        "weights (single ones become 0, which saves no cycle)")
    share: float = described(0.3, "of the engine's cycles with --design or --feedback, else of multiply-accumulates, "
                                  "that is removed; of weights, that become 0; 0 to below 1")
    importance: str = described("taylor", f"of channels, what decides: one of {', '.join(CRITERIA)}")
    rounds: int = described(5, "parts in which it is removed, with training behind each")
    passes: float = described(0.0, "of training behind it, of all rounds together; 0: the recipe's")
    learning_rate: float = described(0.0, "of that training at its peak; 0: the recipe's")


@dataclass(frozen=True, kw_only=True)
class Distill:
    """Training that follows a teacher as well as the labels."""

    kind: str = described("response", "of the teacher: response (softened answers), feature (what its last layer "
                                      "reads, projected), relation (distances between inputs there), or several "
                                      "joined by +")
    mode: str = described("offline", "the teacher is trained before (offline) or at the same time (online), is the "
                                     "network itself (self) as it was in floating point, or the average of its weights "
                                     "(average)")
    teacher: str = described("", "network of an offline or online teacher; none: the same one")
    teacher_width: float = described(2.0, "its width multiplier")
    teacher_passes: float = described(0.0, "of an offline teacher's training; 0: the recipe's")
    weight: float = described(0.5, "share of the loss that is the teacher's, 0 to 1; the rest is that of the labels")
    temperature: float = described(4.0, "that softens answers")
    passes: float = described(0.0, "0: the recipe's")
    learning_rate: float = described(0.0, "at its peak; 0: the recipe's")


@dataclass(frozen=True, kw_only=True)
class Quantize:
    """From floating point to integers."""

    method: str = described("auto", "post (ranges alone), aware (training goes on with the errors of integers in the "
                                    "forward pass), or auto: post where valid loses no more than the tolerance")
    tolerance: float = described(0.002, "accuracy on valid that post may lose under auto, 0 to 1; one input it may "
                                        "always lose")
    passes: float = described(0.0, "of aware training; 0: half of the recipe's, of 2-bit weights all")
    learning_rate: float = described(0.0, "of aware training at its peak; 0: half of the recipe's, of 2-bit "
                                              "weights all")
    forward: str = described("stat", "how a feedback record's multiplier errs in the forward pass: stat (at random, "
                                     "with mean and variance as measured), exact (its products, bit for bit) or none")
    gradient: str = described("straight", "of exact: straight (as of exact products) or slope (of the table of "
                                          "products along each operand)")
    still: float = described(0.3, "share of aware training, the last part, in which batch statistics and ranges stand "
                                  "still, so that what is trained is what an inference computes; not of "
                                  "2-bit weights, which jump until the last step")
    layers: tuple[tuple[str, int], ...] = described((), "bits of the weights of layers by name, 8, 4, 2 (ternary) or 1 "
                                                        "(binary), such as classifier=8,3.*=2; the others' are "
                                                        "weight-bits", pairs=True)
    act_bits: int = described(8, "bits of activations, the input's too: 8 or 4")
    step_size: str = described("statistics", "of weights and activations in aware training: statistics, or learned (by "
                                             "its gradient)")

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _pairs("quantize.layers", self.layers))


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Statistics and ranges forget what was before: no gradient, no labels."""

    batches: int = described(32, "forward passes, whose statistics are averaged")


@dataclass(frozen=True, kw_only=True)
class Correct:
    """Integer biases make up for the errors of a feedback record's multiplier: no gradient, no labels."""

    inputs: int = described(256, "training inputs, whose sums have the mean that they have on an exact multiplier")


#: Step -> its options, in the order in which help shows them.
STEPS: dict[str, type] = {
    "pretrain": Pretrain,
    "prune": Prune,
    "distill": Distill,
    "quantize": Quantize,
    "settle": Settle,
    "correct": Correct}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings that every step shares, the steps in their order, and the options of each.

    Raises
    ------
    QuantError
        If a field cannot be used; the message names the field, its value, the rule and the way out.

    >>> Recipe(steps=("pretrain", "quantize"), passes=10).steps
    ('pretrain', 'quantize')
    """

    steps: tuple[str, ...] = described(("pretrain", "quantize", "settle"), "what is done, in order")
    passes: float = described(0.0, "over the training inputs; 0: by their number, some 50,000 inputs and 10 passes at "
                                   "least")
    batch: int = described(128, "inputs")
    optimizer: str = described("adam", f"one of {', '.join(OPTIMIZERS)}")
    learning_rate: float = described(0.02, "at its peak")
    schedule: str = described("cosine", f"of the learning rate, behind a warm-up: one of {', '.join(SCHEDULES)}")
    warm_up: float = described(0.1, "share of the steps until the learning rate is at its peak")
    weight_decay: float = described(0.0, "of the optimizer")
    label_smoothing: float = described(0.0, "share of the target that all classes get, 0 to below 1")
    augment: str = described(FROM_DATA, "changes of training inputs, such as shift:1+noise:0.05; none; or data: what "
                                        "the data set says")
    informed: tuple[str, ...] = described(("quantize", "settle"), "steps that run with the errors of a feedback "
                                                                  "record, where there is one")
    patience: int = described(0, "looks at valid without a better one after which a step ends, with the best weights; "
                                 "0: never")
    pretrain: Pretrain = field(default_factory=Pretrain)
    prune: Prune = field(default_factory=Prune)
    distill: Distill = field(default_factory=Distill)
    quantize: Quantize = field(default_factory=Quantize)
    settle: Settle = field(default_factory=Settle)
    correct: Correct = field(default_factory=Correct)

    def __post_init__(self) -> None:
        for name in ("steps", "informed"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for owner, options in ({"": self} | {f"{name}.": getattr(self, name) for name in STEPS}).items():
            for item in fields(options):
                if item.name in STEPS and owner == "":
                    continue
                object.__setattr__(options, item.name, _typed(owner + item.name, getattr(options, item.name),
                                                              item.default))
        for problem in _problems(self):
            raise QuantError(problem)

    def inputs(self, share: float, count: int) -> int:
        """Training inputs that a fit of ``share`` times the recipe's passes sees, of a set with ``count``."""
        return round(share * (self.passes * count if self.passes else max(SEEN, LEAST_PASSES * count)))


SEEN, LEAST_PASSES = 50_000, 10     # inputs, of a recipe that does not say how many


def _typed(name: str, value: Any, default: Any) -> Any:
    """``value`` in the type of the default: 1 and 1.0 are one recipe."""
    if isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise QuantError(f"{name}={value!r}: must be a finite number")
        return float(value)
    kinds = {float: "a finite number", int: "a whole number", str: "text", bool: "True or False", tuple: "a list"}
    if type(value) is not type(default):
        raise QuantError(f"{name}={value!r}: must be {kinds[type(default)]}")
    return value


def _pairs(name: str, given: Any) -> tuple[tuple[str, int], ...]:
    """Whole numbers by name, from a mapping or a list of pairs."""
    found = tuple(given.items() if isinstance(given, Mapping) else (tuple(pair) for pair in given))
    for pair in found:
        if len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not int:
            raise QuantError(f"{name}={pair!r}: must be a name and a whole number, such as classifier=8")
    return found


def _problems(recipe: Recipe) -> Iterator[str]:
    for owner, names in (("steps", tuple(STEPS)), ("informed", INFORMED)):
        for name in getattr(recipe, owner):
            if name not in names:
                yield f"{owner}: {name!r} is none of {', '.join(names)}"
    if len(set(recipe.steps)) != len(recipe.steps):
        yield "steps: one is there twice; keep one"
    if not {"pretrain", "distill", "quantize"} & set(recipe.steps):
        yield "steps: nothing trains; add pretrain, or quantize with its method aware"
    if "quantize" not in recipe.steps:
        yield "steps: nothing makes integers; add quantize"
    if "correct" in recipe.steps[:-1]:
        yield "steps: correct changes the integers that all others make; put it last"
    if "correct" in recipe.steps and recipe.quantize.forward != "none":
        yield (f"quantize.forward={recipe.quantize.forward!r}: correct makes up for errors that training has not seen; "
               f"choose none, or leave correct out of the steps")
    if recipe.quantize.gradient != "straight" and recipe.quantize.forward != "exact":
        yield (f"quantize.gradient={recipe.quantize.gradient!r}: of quantize.forward='exact' only; choose that, or "
               f"straight")
    if recipe.steps[0] == "prune":
        yield "steps: prune comes first, and nothing is trained; put pretrain in front"
    yield from _distill_problems(recipe)
    if recipe.quantize.method != "aware" and not {"pretrain", "distill"} & set(
            recipe.steps[:recipe.steps.index("quantize")]):
        yield (f"quantize.method={recipe.quantize.method!r}: nothing is trained before; put pretrain in front, or "
               f"choose aware")
    for name, chosen, choices in (("optimizer", recipe.optimizer, OPTIMIZERS), ("schedule", recipe.schedule, SCHEDULES),
                                 ("quantize.method", recipe.quantize.method, METHODS),
                                 ("quantize.forward", recipe.quantize.forward, FORWARDS),
                                 ("quantize.gradient", recipe.quantize.gradient, GRADIENTS),
                                 ("distill.mode", recipe.distill.mode, TEACHERS),
                                 ("prune.kind", recipe.prune.kind, PRUNED),
                                 ("prune.importance", recipe.prune.importance, CRITERIA),
                                 ("quantize.step_size", recipe.quantize.step_size, STEP_SIZES),
                                 ("quantize.act_bits", recipe.quantize.act_bits, ACT_BITS),
                                 *((f"quantize.layers.{name}", bits, TRAINED_BITS)
                                   for name, bits in recipe.quantize.layers)):
        if chosen not in choices:
            yield f"{name}={chosen!r}: choose {', '.join(map(str, choices))}"
    for name, value, low, high in _bounds(recipe):
        if not low <= value <= high:
            yield f"{name}={value:g}: must be {low:g} to {high:g}"
    if not 0 < recipe.learning_rate <= 1e30:
        yield f"learning_rate={recipe.learning_rate:g}: must be above 0"


def _distill_problems(recipe: Recipe) -> Iterator[str]:
    options = recipe.distill
    kinds = options.kind.split("+")
    if wrong := [kind for kind in kinds if kind not in FOLLOWED]:
        yield f"distill.kind={options.kind!r}: {wrong[0]!r} is none of {', '.join(FOLLOWED)}"
    if len(set(kinds)) != len(kinds):
        yield f"distill.kind={options.kind!r}: one is there twice; keep one"
    if ":" in options.teacher:
        yield (f"distill.teacher={options.teacher!r}: a file's network is the teacher of the same one only; leave "
               f"teacher out")
    if recipe.steps[0] == "distill" and options.mode == "self":
        yield "distill.mode='self': nothing is trained before; put pretrain in front"


def _bounds(recipe: Recipe) -> Iterator[tuple[str, float, float, float]]:
    """Field, value, least and most."""
    yield "batch", recipe.batch, 2, 1 << 20
    yield "passes", recipe.passes, 0, MOST_PASSES
    yield "pretrain.passes", recipe.pretrain.passes, 0, MOST_PASSES
    yield "quantize.passes", recipe.quantize.passes, 0, MOST_PASSES
    yield "quantize.learning_rate", recipe.quantize.learning_rate, 0, 1e30
    yield "quantize.still", recipe.quantize.still, 0, 1
    yield "quantize.tolerance", recipe.quantize.tolerance, 0, 1
    yield "prune.share", recipe.prune.share, 0, 0.99
    yield "prune.rounds", recipe.prune.rounds, 1, 100
    yield "prune.passes", recipe.prune.passes, 0, MOST_PASSES
    yield "prune.learning_rate", recipe.prune.learning_rate, 0, 1e30
    yield "distill.teacher_width", recipe.distill.teacher_width, 0.01, 16
    yield "distill.teacher_passes", recipe.distill.teacher_passes, 0, MOST_PASSES
    yield "distill.weight", recipe.distill.weight, 0, 1
    yield "distill.temperature", recipe.distill.temperature, 0.1, 100
    yield "distill.passes", recipe.distill.passes, 0, MOST_PASSES
    yield "distill.learning_rate", recipe.distill.learning_rate, 0, 1e30
    yield "warm_up", recipe.warm_up, 0, 1
    yield "weight_decay", recipe.weight_decay, 0, 1
    yield "label_smoothing", recipe.label_smoothing, 0, 0.99
    yield "patience", recipe.patience, 0, 1 << 20
    yield "settle.batches", recipe.settle.batches, 1, 1 << 20
    yield "correct.inputs", recipe.correct.inputs, 1, 1 << 20


def recipe_of(table: Mapping[str, Any]) -> Recipe:
    """From plain values, those of a step under its name; what is left out keeps its default."""
    known = {item.name for item in fields(Recipe)}
    for name in table:
        if name not in known:
            raise QuantError(f"recipe: unknown key {name!r}; it has {', '.join(sorted(known))}")
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    for name, kind in STEPS.items():
        if name not in made:
            continue
        if not isinstance(made[name], Mapping):
            raise QuantError(f"{name}={made[name]!r}: this is a table; write [recipe.{name}] on a line of its own")
        keys = [item.name for item in fields(kind)]
        for key in made[name]:
            if key not in keys:
                raise QuantError(f"{name}: unknown key {key!r}; it has {', '.join(keys)}")
        made[name] = kind(**made[name])
    return Recipe(**made)
