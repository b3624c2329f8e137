"""Hardware that errs, against the definitions of what it does."""

from dataclasses import replace

import numpy as np
import pytest

from hw.spec.faults import Accumulator, AnalogArray, BitFlips, Faults
from sw import golden
from sw.golden.faults import FRACTION, Device, analog_weights, coarse, flipped, narrowed, output_step
from sw.graph.graph import GraphError
from sw.graph.layer import WEIGHTED
from tests.support.layers import random_inputs, random_residual
from tests.support.states import stateful
from tests.sw.golden.nets import inputs_of, small_net

DAY = 86_400.0
NONE = BitFlips(rate=0.0)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("faults", [
    Faults(weights=NONE), Faults(activations=NONE), Faults(accumulator=Accumulator(bits=32, overflow="wrap")),
    Faults(accumulator=Accumulator(bits=32, overflow="saturate"))])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_device_without_errors_gives_what_is_right(faults, bits):
    graph = small_net(3, bits)
    inputs = inputs_of(graph, 300)
    assert np.array_equal(Device(graph, faults, 0).run(inputs), golden.run(graph, inputs)[-1])


def test_a_network_of_branches_runs_on_a_device():
    graph = random_residual(rng(2))
    inputs = random_inputs(rng(3), graph, 5)
    device = Device(graph, Faults(activations=NONE), 0)
    device.calibrate(inputs)
    assert np.array_equal(device.run(inputs), golden.run(graph, inputs)[-1])


def test_states_are_refused():
    with pytest.raises(GraphError, match="has states; errors of hardware are for graphs without"):
        Device(stateful(rng(3)), Faults(activations=NONE), 0)


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_every_bit_flips_at_the_rate(bits, rate):
    high = 1 << bits - 1
    values = rng().integers(-high, high, 40_000).astype(np.int8) if bits > 1 else rng().choice([-1, 1], 40_000).astype(
        np.int8)
    found = flipped(values, bits, BitFlips(rate=rate), rng(1))
    codes = values.view(np.uint8) ^ found.view(np.uint8) if bits > 1 else (values != found).astype(np.uint8)
    shares = [float((codes >> bit & 1).mean()) for bit in range(bits)]
    assert all(abs(share - rate) < 5 * np.sqrt(rate * (1 - rate) / len(values)) for share in shares)
    assert found.min() >= (-high if bits > 1 else -1) and found.max() <= max(1, high - 1)


def test_bits_flip_independently():
    """Both of two bits of a weight at the square of the rate."""
    found = flipped(np.zeros(200_000, np.int8), 2, BitFlips(rate=0.1), rng(1))
    shares = [float((found == value).mean()) for value in (0, 1, -2, -1)]
    assert np.allclose(shares, [0.81, 0.09, 0.09, 0.01], atol=0.004)


@pytest.mark.parametrize("bits", [4, 11])
def test_wrapping_a_sum_is_wrapping_every_addition(bits):
    half, terms = 1 << bits - 1, rng().integers(-(1 << 14), 1 << 14, (50, 200))
    kept = np.zeros(200, np.int64)
    for row in terms:
        kept = np.array([(value + half) % (2 * half) - half for value in kept + row])
    assert np.array_equal(narrowed(terms.sum(0), Accumulator(bits=bits, overflow="wrap")), kept)


def test_saturating_gives_the_nearest_that_fits():
    found = narrowed(np.array([-3000, -2049, -2048, 0, 2047, 2048, 9999]), Accumulator(bits=12, overflow="saturate"))
    assert found.tolist() == [-2048, -2048, -2048, 0, 2047, 2047, 2047]


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
def test_narrow_sums_are_those_of_the_definition(overflow):
    """Bias and zero point included, one output at a time."""
    graph = small_net(1)
    index = next(index for index, layer in enumerate(graph.layers) if layer.op == "dense")
    inputs, accumulator = inputs_of(graph, 20), Accumulator(bits=13, overflow=overflow)
    layer, taken = graph.layers[index], graph.taken(index)[0]
    only = replace(graph, inputs=(replace(taken, shape=(1, 1, taken.size)),), layers=(layer,), outputs=()).check()
    data = golden.run(graph, inputs)[index].reshape(-1, 1, 1, taken.size)
    found = Device(only, Faults(accumulator=accumulator), 0).run(data)
    wide = 0
    for one, outputs in zip(data.reshape(len(data), -1).tolist(), found.reshape(len(data), -1).tolist(), strict=True):
        for channel, output in enumerate(outputs):
            total = int(layer.bias[channel]) + sum(
                (act - taken.zero_point) * int(weight) for act, weight in zip(one, layer.weights[channel], strict=True))
            wide += not accumulator.low <= total <= accumulator.high
            if overflow == "wrap":
                total = (total - accumulator.low) % (1 << accumulator.bits) + accumulator.low
            total = min(max(total, accumulator.low), accumulator.high)
            factor = int(layer.multiplier[channel]) / 2 ** (31 + int(layer.shift[channel]))
            assert abs(min(max(total * factor + layer.output.zero_point, layer.act_min), layer.act_max) - output) <= 1
    assert wide > 10


def test_a_flipped_weight_errs_where_activations_are_zero():
    """The bias makes up for the zero point of the weight that was meant."""
    graph = small_net(1)
    first = graph.layers[0]
    only = replace(graph, layers=(first,), outputs=())
    zeros = np.full((1, *graph.input.shape), graph.input.zero_point, np.int8)
    right = golden.run(only, zeros)[-1]
    assert np.array_equal(Device(only, Faults(weights=NONE), 0).run(zeros), right)
    assert not np.array_equal(Device(only, Faults(weights=BitFlips(rate=0.1)), 0).run(zeros), right)


def test_a_device_is_its_seed_and_activations_err_anew():
    graph = small_net(1)
    inputs = inputs_of(graph, 50)
    weights, activations = Faults(weights=BitFlips(rate=0.05)), Faults(activations=BitFlips(rate=0.05))
    one, same, other = (Device(graph, weights, seed) for seed in (1, 1, 2))
    first = one.run(inputs)
    assert np.array_equal(first, same.run(inputs)) and np.array_equal(first, one.run(inputs))
    assert not np.array_equal(first, other.run(inputs))
    one, same = Device(graph, activations, 1), Device(graph, activations, 1)
    first, second = one.run(inputs), one.run(inputs)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, same.run(inputs)) and np.array_equal(second, same.run(inputs))


@pytest.mark.parametrize("share, spread", [(1.0, 1.05538), (0.5, 0.952705)])
def test_programming_spreads_conductances_as_published(share, spread):
    """At t = 0 what is left beside it is reading's noise; of the other device there is nearly nothing."""
    weights = np.full(40_000, round(127 * share), np.int8)
    found = analog_weights(weights, 8, AnalogArray(seconds=0.0, compensated=False), rng()) / FRACTION / 127
    level = round(127 * share) / 127
    reading = level * min(0.0088 * level ** -0.65, 0.2) * np.sqrt(np.log(20 / 500e-9))
    assert abs(found.mean() - level) < 0.01
    assert found.std() == pytest.approx(np.hypot(spread / 25, reading), rel=0.06)


def test_conductances_drift_as_published():
    """Of the largest weight the exponent is 0.049 in the mean."""
    weights = np.full(40_000, 127, np.int8)
    now = analog_weights(weights, 8, AnalogArray(seconds=DAY, compensated=False), rng()) / FRACTION / 127
    assert now.mean() == pytest.approx(((DAY + 20) / 20) ** -0.049, rel=0.01)


def test_compensation_gives_back_what_is_lost_on_the_whole():
    weights = rng().integers(-127, 128, 20_000).astype(np.int8)
    lost = analog_weights(weights, 8, AnalogArray(seconds=DAY, compensated=False), rng(1)) / FRACTION
    back = analog_weights(weights, 8, AnalogArray(seconds=DAY), rng(1)) / FRACTION
    assert np.abs(lost).mean() < 0.75 * np.abs(weights.astype(float)).mean()
    assert np.abs(back).mean() == pytest.approx(np.abs(weights.astype(float)).mean(), rel=0.03)


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_converters_have_so_many_steps(bits):
    graph = small_net(4)
    inputs, array = inputs_of(graph, 400), AnalogArray(seconds=DAY, adc_bits=bits)
    found = Device(graph, Faults(array=array), 0).run(inputs)
    last = graph.layers[-1]
    values = np.unique(found)
    assert len(values) <= 1 << bits
    assert set(np.diff(values[:-1]) % output_step(array, last.act_min, last.act_max)) <= {0}
    assert bits == 8 or len(values) > 2


def test_steps_are_to_the_nearest():
    assert coarse(np.array([-9, -8, -1, 0, 7, 8, 9, 24]), 17).tolist() == [-17, 0, 0, 0, 0, 0, 17, 17]
    assert coarse(np.arange(-5, 5), 1).tolist() == list(range(-5, 5))


@pytest.mark.parametrize("deviations", [False, True])
@pytest.mark.parametrize("faults", [Faults(weights=BitFlips(rate=0.02)), Faults(array=AnalogArray(seconds=DAY))])
def test_calibration_brings_sums_back(faults, deviations):
    graph = small_net(5)
    inputs = inputs_of(graph, 200)
    plain, mended = Device(graph, faults, 0), Device(graph, faults, 0)
    mended.calibrate(inputs, deviations=deviations)
    layer = graph.layers[0]
    assert layer.op in WEIGHTED
    right = golden.run(graph, inputs)[-1].astype(float)

    def apart(device):
        return np.abs(device.run(inputs).astype(float).mean(0) - right.mean(0)).mean()

    assert apart(mended) < 0.5 * apart(plain)
    assert plain.graph is graph and mended.graph is graph, "the graph stays as it is"
