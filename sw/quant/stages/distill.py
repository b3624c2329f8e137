"""Training that follows a teacher as well as the labels."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sw.models import Traced, build
from sw.quant.distillation import FOLLOWED, Follower, Seen, watched
from sw.quant.network import QuantNetwork
from sw.quant.recipe import QuantError
from sw.quant.remake import remade, values_of
from sw.quant.run import Run

__all__ = ["distill", "teaches"]

KEPT = 0.99         # of the average of the student's weights, each step


def teaches(run: Run) -> None:
    """Raises ModelError where there is no such network as the teacher, QuantError where it gives no answers."""
    if run.data.reconstructs and "response" in run.recipe.distill.kind.split("+"):
        raise QuantError("distill.kind=response: there are no answers to follow where inputs are given back; follow "
                         "feature or relation")
    if run.recipe.distill.mode in ("offline", "online"):
        _teacher(run)


def _teacher(run: Run) -> Traced:
    """The named teacher, untrained."""
    config, options = run.config, run.recipe.distill
    return build(options.teacher or config.network, run.data.shape, run.data.outputs, width=options.teacher_width,
                 settings={} if options.teacher else dict(config.settings), seed=config.seed)


def distill(run: Run) -> None:
    """Train in floating point, or with the errors of integers where the network has them already."""
    options, recipe = run.recipe.distill, run.recipe
    if "quantize" not in recipe.steps[:recipe.steps.index("distill")]:
        run.network.become(quantized=False)
    run.err_in("distill")
    teacher, said = _TEACHERS[options.mode](run)
    lesson = _Lesson(run, teacher)
    inputs = round(options.passes * len(run.labels)) if options.passes else recipe.inputs(1.0, len(run.labels))
    run.fit("distill", inputs=inputs, peak=options.learning_rate or recipe.learning_rate, loss=lesson,
            beside=lesson.parameters())
    run.did = f"{options.kind} of {said}"


def _offline(run: Run) -> tuple[QuantNetwork, str]:
    """Trained before, in floating point, as the recipe pretrains."""
    other = Run(_started(run), run.config, run.data, run.generator)
    passes, count = run.recipe.distill.teacher_passes, len(run.labels)
    other.fit("teacher", inputs=round(passes * count) if passes else run.recipe.inputs(1.0, count),
              peak=run.recipe.learning_rate)
    return _frozen(other.network), f"{_name(run)}, trained before to {other.accuracy('valid'):.4f} on valid"


def _online(run: Run) -> tuple[QuantNetwork, str]:
    return _started(run), f"{_name(run)}, trained at the same time"


def _itself(run: Run) -> tuple[QuantNetwork, str]:
    """As it is, in floating point."""
    teacher = _frozen(_copied(run.network))
    reached = Run(teacher, run.config, run.data, run.generator).accuracy("valid")
    return teacher, f"itself as it was in floating point, {reached:.4f} on valid"


def _average(run: Run) -> tuple[QuantNetwork, str]:
    return _copied(run.network).requires_grad_(False), "the average of its own weights"


_TEACHERS: dict[str, Callable[[Run], tuple[QuantNetwork, str]]] = {
    "offline": _offline, "online": _online, "self": _itself, "average": _average}


def _name(run: Run) -> str:
    options = run.recipe.distill
    return f"{options.teacher or run.config.network} width {options.teacher_width:g}"


def _started(run: Run) -> QuantNetwork:
    made = QuantNetwork(_teacher(run), run.network.input, run.network.bits, run.generator)
    made.become(quantized=False)
    return made


def _frozen(network: QuantNetwork) -> QuantNetwork:
    network.requires_grad_(False)
    return network.eval()


def _copied(network: QuantNetwork) -> QuantNetwork:
    quantized = network.quantized
    network.become(quantized=False)
    made = remade(network, values_of(network))
    network.become(quantized=quantized)
    return made


class _Lesson:
    """The loss of a batch: of the labels, and of what is followed."""

    def __init__(self, run: Run, teacher: QuantNetwork) -> None:
        self.run, self.teacher, self.options = run, teacher, run.recipe.distill
        self.student, self.see = watched(run.network), watched(teacher)
        run.network.eval()
        with torch.no_grad():
            sizes = [see(run.images[:2]).features.shape[1] for see in (self.student, self.see)]
        self.followers: list[Follower] = [
            FOLLOWED[kind](sizes[0], sizes[1], self.options.temperature, run.generator)
            for kind in self.options.kind.split("+")]
        self.online, self.average = self.options.mode == "online", self.options.mode == "average"
        teacher.train(self.online or self.average)

    def parameters(self) -> list[nn.Parameter]:
        """What trains beside the student."""
        own = [value for follower in self.followers for value in follower.parameters()]
        return own + (list(self.teacher.parameters()) if self.online else [])

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        if self.average:
            self._follow()
        student = self.student(inputs)
        with torch.set_grad_enabled(self.online):
            found = self.see(inputs)
        shown = Seen(found.logits.detach(), found.features.detach())
        followed = torch.stack([follower(student, shown) for follower in self.followers]).sum()
        own = self.run.wrong(student.logits, inputs, labels)
        loss = (1 - self.options.weight) * own + self.options.weight * followed
        return loss + self.run.wrong(found.logits, inputs, labels) if self.online else loss

    @torch.no_grad()
    def _follow(self) -> None:
        """The average takes a part of the student's weights as they are now."""
        for mean, now in zip(self.teacher.parameters(), self.run.network.parameters(), strict=True):
            mean.lerp_(now, 1 - KEPT)
