from dataclasses import replace

import pytest
import torch

from sw.quant import TrainConfig
from sw.quant.recipe import Distill, QuantError, Recipe
from sw.quant.stages.distill import distill
from sw.quant.stages.pretrain import pretrain
from sw.quant.training import train
from tests.sw.quant.test_run import started
from tests.sw.quant.test_training import same

STEPS = ("pretrain", "distill", "quantize", "settle")


@pytest.mark.parametrize("kind, mode, said", [
    ("response", "offline", "response of dscnn width 0.25, trained before to 0."),
    ("feature", "online", "feature of dscnn width 0.25, trained at the same time"),
    ("relation", "self", "relation of itself as it was in floating point, 0."),
    ("response+feature", "average", "response+feature of the average of its own weights")])
def test_every_way_trains(digits, kind, mode, said):
    run = started(digits, passes=3, steps=STEPS,
                  distill=Distill(kind=kind, mode=mode, teacher="dscnn", teacher_width=0.25,
                                  passes=6))
    pretrain(run)
    before = run.accuracy("valid")
    distill(run)
    assert run.did.startswith(said) and not run.network.quantized
    assert run.accuracy("valid") > before and run.curves[-1].stage == "distill"


def test_a_student_takes_its_teachers_answers(digits):
    """With all of the loss the teacher's, labels decide nothing: a teacher whose classes are turned turns them."""
    run = started(digits, passes=12, steps=STEPS, distill=Distill(mode="self", weight=1.0))
    pretrain(run)
    with torch.no_grad():
        for value in (run.network.products[-1].weight, run.network.products[-1].bias):
            value.copy_(value.roll(1, 0))
    distill(run)
    turned = replace(digits, labels={**digits.labels, "valid": (digits.labels["valid"] + 1) % 10})
    run.data = turned
    assert run.accuracy("valid") > 0.8


def test_without_weight_the_teacher_is_not_heard(digits):
    runs = []
    for kind in ("response", "relation"):
        runs.append(started(digits, passes=1, steps=STEPS, distill=Distill(kind=kind, mode="average", weight=0.0)))
        distill(runs[-1])
    one, other = (run.network.products[0].weight for run in runs)
    assert torch.equal(one, other)


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_the_same_configuration_distills_the_same(digits, mode):
    config = TrainConfig(network="mlp", width=0.25, seed=4, recipe=Recipe(
        passes=2, steps=("distill", "quantize", "settle"), distill=Distill(kind="feature", mode=mode)))
    one, other = (train(config, digits) for _ in range(2))
    assert same(one.graph, other.graph) and one.record.stages[0].did == other.record.stages[0].did
    assert not same(one.graph, train(replace(config, seed=5), digits).graph)


def test_a_student_may_be_quantized_and_pruned(digits):
    config = TrainConfig(network="mlp", weight_bits=4, recipe=Recipe(
        passes=8, steps=("pretrain", "prune", "quantize", "distill", "settle"), distill=Distill(mode="self")))
    trained = train(config, digits)
    assert [stage.name for stage in trained.record.stages][3] == "distill"
    assert trained.record.stages[3].did.startswith("response of itself as it was in floating point")
    assert trained.graph.layers[0].weight_bits == 4 and trained.graph.layers[0].weights.shape[0] < 32
    assert trained.record.test_accuracy > 0.7
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.01


@pytest.mark.parametrize("options, message", [
    ({"kind": "response+mood"}, "distill.kind='response[+]mood': 'mood' is none of response, feature, relation"),
    ({"kind": "feature+feature"}, "distill.kind='feature[+]feature': one is there twice; keep one"),
    ({"mode": "late"}, "distill.mode='late': choose offline, online, self, average"),
    ({"teacher": "own.py:net"}, "distill.teacher='own.py:net': a file's network is the teacher of the same one only; "
                                "leave teacher out"),
    ({"mode": "self"}, "distill.mode='self': nothing is trained before; put pretrain in front")])
def test_a_wrong_option_is_said(options, message):
    with pytest.raises(QuantError, match=f"^{message}$"):
        Recipe(steps=("distill", "quantize"), distill=Distill(**options))


def test_a_teacher_that_is_not_there_is_said_before_training(digits):
    seen = []
    config = TrainConfig(network="mlp", recipe=Recipe(steps=STEPS, distill=Distill(teacher="resnet")))
    with pytest.raises(ValueError, match="^network 'resnet': unknown"):
        train(config, digits, progress=lambda *look: seen.append(look))
    assert not seen
