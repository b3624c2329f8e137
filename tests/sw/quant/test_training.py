import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.faults import BitFlips, Faults
from hw.spec.feedback import Feedback
from hw.spec.multipliers import MULTIPLIERS
from sw.data import load_dataset
from sw.data.assemble import Part, assemble
from sw.data.augment import Noise, Shift
from sw.graph.graph import ARRAYS, Graph
from sw.models import ModelError
from sw.quant import QuantError, TrainConfig
from sw.quant.recipe import Distill, Prune, Quantize, Recipe
from sw.quant.training import draft, evaluate, train
from tests.sw.quant.records import feedback

TABLE = Path(__file__).parents[4] / "shared/cases/idx/tabular_1x6"


def arrays(graph):
    return [getattr(layer, name) for layer in graph.layers for name in ARRAYS]


def passes(count, **more):
    return Recipe(passes=count, **more)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_small_dense_network_learns_the_digits(digits, bits):
    seen = []
    trained = train(TrainConfig(network="mlp", weight_bits=bits), digits, progress=lambda *look: seen.append(look))
    assert trained.record.test_accuracy >= 0.93
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.01
    looks = [look for look, _ in seen]
    assert tuple(looks) == trained.record.curves
    assert [look.done for look in looks] == sorted(look.done for look in looks)
    assert [ahead for _, ahead in seen if ahead < 1e-9] == [0.0] * len({look.stage for look in looks})
    assert looks[-1].loss < looks[0].loss / 3


def test_a_convolutional_network_learns_the_digits(digits):
    trained = train(TrainConfig(network="dscnn", recipe=passes(12)), digits)
    assert trained.record.test_accuracy >= 0.95
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_default_training_reaches_its_accuracy(digits, bits):
    assert train(TrainConfig(weight_bits=bits), digits).record.test_accuracy >= 0.98


@pytest.mark.parametrize("network, bits", [("mlp", 2), ("dscnn", 8)])
def test_the_same_configuration_gives_the_same_bits(digits, network, bits):
    config = TrainConfig(network=network, width=0.5, weight_bits=bits, recipe=passes(2), seed=5)
    one = train(config, digits)
    torch.rand(7)   # the global generator is not ours
    threads = torch.get_num_threads()
    other = train(config, digits)
    assert torch.get_num_threads() == threads
    assert same(one.graph, other.graph)
    assert one.record.curves == other.record.curves
    assert not same(one.graph, train(replace(config, seed=6), digits).graph)


def test_a_record_of_8_bit_activations_is_refused_for_narrower_ones(digits):
    config = TrainConfig(network="mlp", recipe=passes(2, quantize=Quantize(act_bits=4)))
    with pytest.raises(QuantError, match=r"quantize\.act_bits=4: a feedback record is of 8-bit activations; "):
        train(config, digits, feedback=feedback())


@pytest.mark.parametrize("weight_bits, options", [
    (1, Quantize()), (2, Quantize(step_size="learned")), (4, Quantize(act_bits=4, step_size="learned")),
    (2, Quantize(layers={"1": 8}))])
def test_narrow_networks_learn_and_are_what_was_trained(digits, weight_bits, options):
    config = TrainConfig(network="mlp", weight_bits=weight_bits, recipe=passes(20, quantize=options))
    trained = train(config, digits)
    assert trained.record.test_accuracy > 0.85
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.01


def test_noise_is_the_same_again(digits):
    config = TrainConfig(network="mlp", recipe=passes(2))
    one, other = (train(config, digits, feedback=feedback()).graph for _ in range(2))
    assert same(one, other)
    assert not same(one, train(config, digits).graph)


def test_faults_are_trained_with(digits):
    """Twice the same, and other than without."""
    faults = Faults(weights=BitFlips(rate=0.02))
    config = TrainConfig(network="mlp", width=0.5, recipe=passes(2, quantize=Quantize(method="aware")))
    one, other = (train(config, digits, feedback=Feedback(faults=faults)) for _ in range(2))
    assert same(one.graph, other.graph) and not same(one.graph, train(config, digits).graph)


def test_only_the_steps_that_are_informed_err(digits):
    """Uninformed weights are those of a training without feedback; settling moves statistics alone."""
    feedback = Feedback(faults=Faults(activations=BitFlips(rate=0.02)))
    recipe = passes(1, quantize=Quantize(method="aware"))
    config = TrainConfig(network="dscnn", width=0.25, recipe=recipe)
    plain = train(config, digits).graph

    def informed(*steps):
        return train(replace(config, recipe=replace(recipe, informed=steps)), digits, feedback=feedback)

    def kernels(graph):
        return [np.abs(layer.weights.astype(int)) for layer in graph.layers]

    assert same(informed().graph, plain)
    settled = informed("settle")
    assert all(np.array_equal(a, b) for a, b in zip(kernels(settled.graph), kernels(plain), strict=True))
    assert not same(settled.graph, plain)
    assert [stage.did for stage in settled.record.stages][1] == "aware"
    assert not all(np.array_equal(a, b) for a, b in zip(kernels(informed("quantize").graph), kernels(plain),
                                                        strict=True))


def test_an_exact_multiplier_trains_as_if_there_were_no_feedback(digits):
    config = TrainConfig(network="mlp", recipe=passes(2, quantize=Quantize(method="aware")))
    assert same(train(config, digits, feedback=feedback("dsp")).graph, train(config, digits).graph)


def test_accuracy_is_counted_with_the_multiplier_of_the_design(digits, tmp_path):
    graph = train(TrainConfig(network="mlp", recipe=passes(4)), digits).graph
    graph.save(tmp_path / "model.npz")
    loaded = Graph.load(tmp_path / "model.npz")
    assert evaluate(loaded, digits) == evaluate(graph, digits) == evaluate(graph, digits, DesignPoint(multiplier="lut"))
    assert not MULTIPLIERS["trunc"].exact(8)
    assert evaluate(graph, digits, DesignPoint(multiplier="trunc")) > 0.5
    assert evaluate(graph, digits, split="train") > 0.8


@pytest.mark.parametrize("network, change", [("mlp", Shift(rows=1, columns=1)), ("dscnn", Shift(rows=0, columns=1)),
                                             ("mlp", Noise(share=0.1))])
def test_only_what_the_data_allow_and_the_configuration_wants_is_varied(digits, network, change):
    config = TrainConfig(network=network, width=0.5, recipe=passes(2))
    plain_config = replace(config, recipe=replace(config.recipe, augment="none"))
    still, moving = replace(digits, augmentations=()), replace(digits, augmentations=(change,))
    plain = train(config, still).graph
    assert same(plain, train(plain_config, moving).graph)
    assert same(plain, train(plain_config, still).graph)
    assert not same(plain, train(config, moving).graph)


def signal(count, seed):
    """Sequences of two channels, of positive and negative values; the class is whether the first is the higher one."""
    labels = np.arange(count) % 2
    values = np.random.default_rng(seed).normal(0, 50, (count, 20, 2)) + 40 * np.stack([labels, -labels], 1)[:, None]
    return values.astype(np.float32), labels


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("network", ["mlp", "dscnn"])
def test_sequences_and_features_with_negative_values_are_learned(network, flat):
    (train_inputs, train_labels), (test_inputs, test_labels) = signal(600, 0), signal(300, 1)
    shape = (-1, 40) if flat else (-1, 20, 2)
    data = assemble("signal", *(
        Part(inputs=inputs.reshape(shape), labels=labels, inputs_from="signal", labels_from="signal")
        for inputs, labels in ((train_inputs, train_labels), (test_inputs, test_labels))))
    trained = train(TrainConfig(network=network, recipe=passes(15)), data)
    assert trained.graph.input == replace(data.input_type, scale=float(np.float32(data.input_type.scale)))
    assert -90 < data.input_type.zero_point < 90
    assert trained.record.test_accuracy > 0.95
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.02


@pytest.mark.parametrize("network", ["mlp", "dscnn"])
def test_colour_is_learned(network):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    images = rng.integers(0, 100, (300, 6, 6, 3)).astype(np.uint8)
    images[np.arange(300), :, :, labels] += 60
    train_part, test_part = (Part(inputs=images[part], labels=labels[part], inputs_from="colours",
                                  labels_from="colours") for part in (slice(0, 200), slice(200, None)))
    data = assemble("colours", train_part, test_part, scale=1 / 255,
                    augmentations=(Shift(rows=1, columns=1),))
    assert train(TrainConfig(network=network, width=0.5, recipe=passes(15)), data).record.test_accuracy > 0.95


@pytest.mark.skipif(not TABLE.is_dir(), reason="the small data sets are not beside this checkout")
def test_a_table_is_not_moved():
    """Five seeds reach 0.98; moved as images are, they reached 0.957."""
    data = load_dataset(f"mnist:{TABLE}")
    reached = [train(TrainConfig(network="mlp", seed=seed), data).record.test_accuracy for seed in range(5)]
    assert sum(reached) / len(reached) >= 0.98


def test_a_training_that_diverges_says_so(digits):
    with pytest.raises(QuantError, match="(activations from|loss) .*: the training does not converge; lower lear"):
        train(TrainConfig(network="mlp", recipe=passes(2, learning_rate=1e30)), digits)


def test_a_network_that_does_not_fit_the_data_is_refused_before_training(digits, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\ndef net(shape, classes):\n"
                    "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8))\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"own\.py:net', 1 \(Linear\), line 3 of own\.py: the last layer gives "):
        train(TrainConfig(network=f"{path}:net"), digits, progress=lambda look, ahead: pytest.fail("it trained"))


def test_what_cannot_be_lowered_is_refused_before_training(digits, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
                    "        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(48, 10)\n"
                    "    def forward(self, x):\n        x = self.conv(x)[:, :, 1:].reshape(-1, 5, 18)[:, 1:, 1:13]\n"
                    "        return self.fc(x.permute(0, 2, 1).reshape(-1, 48))\n"
                    "def net(shape, classes):\n    return Net()\n", encoding="utf-8")
    with pytest.raises(QuantError, match=r"^layer fc, fc \(Linear\), line 8 of own\.py: its input is moved as"):
        train(TrainConfig(network=f"{path}:net"), digits, progress=lambda look, ahead: pytest.fail("it trained"))


@pytest.mark.parametrize("bits, steps, more, says", [
    (8, ("pretrain", "quantize", "correct"), {"quantize": Quantize(forward="none")}, "steps: correct needs a feedback"),
    (1, ("pretrain", "prune", "quantize"), {"prune": Prune(kind="weights")}, "prune.kind='weights': binary weights"),
    (8, ("pretrain", "distill", "quantize"), {"distill": Distill(teacher="resnet")}, "network 'resnet': unknown")])
def test_a_step_that_lacks_something_is_refused_before_training(digits, bits, steps, more, says):
    config = TrainConfig(network="mlp", weight_bits=bits, recipe=passes(2, steps=steps, **more))
    with pytest.raises(HeddleError, match=f"^{re.escape(says)}"):
        train(config, digits, progress=lambda look, ahead: pytest.fail("it trained"))


def test_a_draft_has_the_layers_of_the_trained_network(digits):
    """With other weights: what compiles is known before."""
    config = TrainConfig(network="dscnn", recipe=passes(1), width=0.5, weight_bits=4)
    before, after = draft(config, digits), train(config, digits).graph
    assert [(layer.name, layer.op, layer.weights.shape, layer.weight_bits) for layer in before.layers] == [
        (layer.name, layer.op, layer.weights.shape, layer.weight_bits) for layer in after.layers]
    assert before.input == after.input and not same(before, after)


@pytest.mark.parametrize("network, epochs", [
    ("resnet8", 4), ("mobilenet", 6), ("cnn", 4), ("cnn1d", 10), ("tcn", 10), ("strided", 10), ("dense", 40)])
def test_every_other_network_learns_the_digits(digits, network, epochs):
    trained = train(TrainConfig(network=network, width=0.5, recipe=passes(epochs)), digits)
    assert trained.record.test_accuracy > 0.5
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.03


@pytest.mark.parametrize("network, bits", [("autoencoder", 8), ("autoencoder", 4), ("mlp", 8)])
def test_what_is_normal_is_learned_by_giving_it_back(network, bits):
    threes = load_dataset("digits,normal=3")
    trained = train(TrainConfig(network=network, weight_bits=bits, recipe=passes(40)), threes)
    assert (trained.record.metric, trained.graph.output.size) == ("auc", 64)
    assert trained.record.test_accuracy > 0.93, "of ones that were never seen, an untrained network tells few"
    assert abs(trained.record.test_accuracy - trained.record.fake_accuracy) <= 0.02
    untrained = evaluate(draft(TrainConfig(network=network, weight_bits=bits), threes), threes)
    assert trained.record.test_accuracy > untrained + 0.03


@pytest.mark.parametrize("recipe, says", [
    (Recipe(label_smoothing=0.1), "label_smoothing=0.1: no labels are learned"),
    (Recipe(steps=("pretrain", "distill", "quantize"), distill=Distill(kind="feature+response")),
     "distill.kind=response: there are no answers to follow")])
def test_what_wants_classes_is_refused_where_inputs_are_given_back(recipe, says):
    with pytest.raises(QuantError, match=says):
        train(TrainConfig(network="autoencoder", recipe=recipe), load_dataset("digits,normal=3"))
