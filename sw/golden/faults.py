"""What hardware that errs (``hw.spec.faults``) makes of an integer graph: the one definition of each kind.

Training has the same functions in its forward pass. Random numbers are numpy's, of a given generator.

Phase-change memory is that of Joshi et al., "Accurate deep neural network inference using computational phase-change
memory", Nature Communications 11, 2473 (2020), and Nandakumar et al., "Phase-change memory models for deep learning
training and inference", ICECS 2019, with the numbers that IBM's analog hardware acceleration kit documents for it
("Inference and PCM statistical model"), fitted to a million devices. With a conductance g of 0 to 1, in units of the
largest (25 uS), t seconds after programming, and n drawn anew from a standard normal distribution:

- a weight is the difference of two devices, of which the other one is programmed to 0; the largest weight of its width
  is g = 1 (each column is scaled for itself, as its integers are);
- programming: g_prog = max(0, g + n (0.26348 + 1.9650 g - 1.1731 g**2) / 25);
- drift: g_prog ((t + 20 s) / 20 s)**-nu, where nu = abs(m + n s), with m = -0.0155 ln g + 0.0244 within 0.049 to 0.1
  and s = -0.0125 ln g - 0.0059 within 0.008 to 0.045;
- reading: another factor of 1 + n q sqrt(ln((t + 20 s + 250 ns) / 500 ns)), q = min(0.2, 0.0088 g_prog**-0.65): the
  1/f noise that has come together since then, drawn once, since the most of it is slower than an inference;
- global drift compensation: all sums of a layer are multiplied by what its conductances' magnitudes have lost on the
  whole, which is measured on the array (Joshi et al., methods).

Converters divide the range of an activation (DAC) and of a layer's output (ADC) into equal steps, a column's offset and
gain included; what is kinder to a network than converters of one gain for all columns.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt

import numpy as np

from hw.spec.faults import Accumulator, AnalogArray, BitFlips, Faults
from sw.golden.fixed import quantize_multiplier
from sw.golden.ops import BATCH, run_layer
from sw.golden.products import EXACT, Products
from sw.golden.sums import gather, requantize
from sw.graph.graph import Graph, GraphError, Layer, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["FRACTION", "UNSEEN", "Device", "analog_weights", "coarse", "flipped", "input_step", "narrowed",
           "output_step"]

UNSEEN = 1_000_000          # seeds from here on are of devices that no training has drawn
FRACTION = 256              # parts of a weight's step in which an analog weight is kept
LARGEST_US = 25.0
PROGRAMMING = (0.26348, 1.9650, -1.1731)        # uS
DRIFT_MEAN, DRIFT_MEANS = (-0.0155, 0.0244), (0.049, 0.1)
DRIFT_SPREAD, DRIFT_SPREADS = (-0.0125, -0.0059), (0.008, 0.045)
FIRST_READ_S, READ_S = 20.0, 250e-9
READING, READING_POWER, READING_MOST = 0.0088, -0.65, 0.2
LEAST = 1e-7                # of a conductance whose logarithm is taken


class _Wide(Products):
    """Exact products with weights of more than 8 bits."""

    def matmul(self, acts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return (acts.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)

    def elementwise(self, acts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return acts.astype(np.int64) * weights.astype(np.int64)


WIDE = _Wide()


def flipped(values: np.ndarray, bits: int, flips: BitFlips, rng: np.random.Generator) -> np.ndarray:
    """int8 ``values`` of so many bits, each of which changes with the rate; 1-bit weights are -1 and +1."""
    places = _places(values.size * bits, flips.rate, rng)
    codes = np.ascontiguousarray(values, np.int8).reshape(-1).view(np.uint8).copy()
    if bits == 1:
        codes = (codes < 128).astype(np.uint8)
    np.bitwise_xor.at(codes, places // bits, (1 << places % bits).astype(np.uint8))
    if bits == 1:
        return (codes.astype(np.int8) * 2 - 1).reshape(values.shape)
    unused = 8 - bits
    return (np.left_shift(codes, unused, dtype=np.uint8).view(np.int8) >> unused).reshape(values.shape)


def _places(count: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Which of ``count`` independent events of a rate happen: their numbers, by the gaps between them."""
    if not rate or not count:
        return np.zeros(0, np.int64)
    found, last = [np.zeros(0, np.int64)], -1
    while last < count:
        expected = (count - last) * rate
        found.append(last + np.cumsum(rng.geometric(rate, size=int(expected + 4 * sqrt(expected)) + 8)))
        last = int(found[-1][-1])
    places: np.ndarray = np.concatenate(found)
    return places[places < count]


def narrowed(total: np.ndarray, accumulator: Accumulator) -> np.ndarray:
    """What an accumulator of few bits keeps of sums."""
    if accumulator.overflow == "saturate":
        return np.clip(total, accumulator.low, accumulator.high)
    half = 1 << accumulator.bits - 1
    return (total + half) % (2 * half) - half


def analog_weights(weights: np.ndarray, weight_bits: int, array: AnalogArray, rng: np.random.Generator) -> np.ndarray:
    """What a layer's conductances stand for in place of its integer ``weights``: int64, in ``FRACTION`` of a step."""
    largest = max(1, (1 << weight_bits - 1) - 1)
    target = np.clip(weights.astype(np.float64) / largest, -1, 1)
    pairs = [_conductance(np.maximum(side, 0), array.seconds, rng) for side in (target, -target)]
    written, now = (plus - minus for plus, minus in zip(*pairs, strict=True))
    if array.compensated:
        now = now * (np.abs(written).sum() / max(np.abs(now).sum(), LEAST))
    return np.rint(now * (largest * FRACTION)).astype(np.int64)


def _conductance(target: np.ndarray, seconds: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """As it was programmed, and as it is read after so many seconds."""
    constant, linear, square = PROGRAMMING
    spread = (constant + linear * target + square * target ** 2) / LARGEST_US
    written = np.maximum(target + spread * rng.standard_normal(target.shape), 0)
    logarithm = np.log(np.maximum(target, LEAST))
    mean = np.clip(DRIFT_MEAN[0] * logarithm + DRIFT_MEAN[1], *DRIFT_MEANS)
    deviation = np.clip(DRIFT_SPREAD[0] * logarithm + DRIFT_SPREAD[1], *DRIFT_SPREADS)
    exponent = np.abs(mean + deviation * rng.standard_normal(target.shape))
    since = seconds + FIRST_READ_S
    drifted = written * (since / FIRST_READ_S) ** -exponent
    share = np.minimum(READING * np.maximum(written, LEAST) ** READING_POWER, READING_MOST)
    noise = share * sqrt(log((since + READ_S) / (2 * READ_S))) * rng.standard_normal(target.shape)
    return written, np.maximum(drifted * (1 + noise), 0)


def input_step(array: AnalogArray) -> int:
    """Of the converters of activations, in integers of an 8-bit activation."""
    return -(-255 // ((1 << array.dac_bits) - 1))


def output_step(array: AnalogArray, low: int, high: int) -> int:
    """Of the converters of a layer whose outputs are ``low`` to ``high``."""
    return max(1, -(-(high - low) // ((1 << array.adc_bits) - 1)))


def coarse(values: np.ndarray, step: int) -> np.ndarray:
    """The nearest multiples of ``step``, halves upwards."""
    return (values + step // 2) // step * step


class Device:
    """One piece of hardware with its own errors, and a graph on it.

    Parameters
    ----------
    seed
        Of the errors: another one is another device. Those of activations go on from call to call.

    Raises
    ------
    GraphError
        If the graph has several inputs or outputs, or states.
    """

    def __init__(self, graph: Graph, faults: Faults, seed: int) -> None:
        if graph.states:
            raise GraphError(f"{graph.name}: has states; errors of hardware are for graphs without")
        self.graph, self.faults, self.rng = graph, faults, np.random.default_rng(seed)
        self._kind, self._answer = graph.input, graph.answers[0]
        self._weights = {index: self._held(layer) for index, layer in enumerate(graph.layers) if layer.op in WEIGHTED}
        self._layers = list(graph.layers)       # with the biases and multipliers that calibration gives them

    def _held(self, layer: Layer) -> np.ndarray:
        """What the hardware holds in place of the weights."""
        if self.faults.array:
            return analog_weights(layer.weights, layer.weight_bits, self.faults.array, self.rng)
        if self.faults.weights:
            return flipped(layer.weights, layer.weight_bits, self.faults.weights, self.rng)
        return layer.weights

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs of int8 ``(N, *shape)`` inputs."""
        parts = [inputs[start:start + BATCH] for start in range(0, len(inputs), BATCH)]
        return np.concatenate([self._tensors(part)[self._answer] for part in parts])

    def calibrate(self, inputs: np.ndarray, *, deviations: bool = False) -> None:
        """Correct the bias of each channel of each layer, so that its sums have the mean that they have without errors,
        over ``inputs``, and with ``deviations`` its multiplier too, so that they have the deviation.

        This takes the device, and inputs without labels.
        """
        right = self._sources(inputs)
        self._tensors(inputs, right=right, deviations=deviations)

    def _sources(self, inputs: np.ndarray) -> list[np.ndarray]:
        constants = [np.broadcast_to(one.values, (len(inputs), *one.type.shape)) for one in self.graph.constants]
        return [inputs, *constants]

    def _tensors(self, inputs: np.ndarray, *, right: list[np.ndarray] | None = None,
                 deviations: bool = False) -> list[np.ndarray]:
        """Every tensor; where those without errors are given so far, ``right``, layers are calibrated and it grows."""
        found = [self._stored(inputs), *self._sources(inputs)[1:]]
        for index, layer in enumerate(self.graph.layers):
            taken = self.graph.taken(index)
            data = self._read(index, taken, found)
            if right is not None:
                exact = self._read(index, taken, right)
                if layer.op in WEIGHTED:
                    aim = _total(layer, taken[0], exact[0])
                    self._layers[index] = _moved(self._layers[index], self._erring(index, taken[0], data[0]), aim,
                                                 deviations=deviations)
                right.append(run_layer(layer, taken, exact).reshape(-1, *layer.output.shape))
            if layer.op in WEIGHTED:
                value = self._output(index, self._erring(index, taken[0], data[0]))
            else:
                value = run_layer(layer, taken, data)
            found.append(self._stored(value.reshape(-1, *layer.output.shape)))
        return found

    def _read(self, index: int, taken: Sequence[TensorType], tensors: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [tensors[number].reshape(-1, *kind.shape)
                for number, kind in zip(self.graph.inputs_of(index), taken, strict=True)]

    def _stored(self, values: np.ndarray) -> np.ndarray:
        if self.faults.activations is None or values.dtype != np.int8:
            return values
        return flipped(values, 8, self.faults.activations, self.rng)

    def _erring(self, index: int, taken: TensorType, data: np.ndarray) -> np.ndarray:
        """Sums as the requantizer gets them."""
        layer = self._layers[index]
        total = _total(layer, taken, data, self._weights[index], self.faults.array)
        return narrowed(total, self.faults.accumulator) if self.faults.accumulator else total

    def _output(self, index: int, total: np.ndarray) -> np.ndarray:
        layer = self._layers[index]
        value = requantize(total, bias=np.zeros_like(layer.bias), multiplier=layer.multiplier, shift=layer.shift,
                           zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)
        if self.faults.array is None:
            return value
        step = output_step(self.faults.array, layer.act_min, layer.act_max)
        return np.minimum(coarse(value.astype(np.int64) - layer.act_min, step) + layer.act_min,
                          layer.act_max).astype(np.int8)


def _total(layer: Layer, taken: TensorType, data: np.ndarray, held: np.ndarray | None = None,
           array: AnalogArray | None = None) -> np.ndarray:
    """Sums and bias. The bias makes up for the zero point of the weights as they should be, since it is computed before
    they are stored; rows of an analog array get activations less their zero point.
    """
    if array is not None and held is not None:
        given = coarse(data.astype(np.int64) - taken.zero_point, input_step(array))
        parts = gather(replace(layer, weights=held), replace(taken, zero_point=0), given, WIDE)
        return (parts + FRACTION // 2) // FRACTION + layer.bias.astype(np.int64)
    weights = layer.weights.astype(np.int64)
    sums = weights.sum(axis=(0, 1)) if layer.op == "depthwise" else weights.reshape(len(weights), -1).sum(axis=1)
    stored = layer if held is None else replace(layer, weights=held)
    return gather(stored, taken, data, EXACT) + layer.bias.astype(np.int64) - taken.zero_point * sums


def _moved(layer: Layer, total: np.ndarray, aim: np.ndarray, *, deviations: bool) -> Layer:
    """With a bias, and maybe a multiplier, such that the sums have the aim's mean, and its deviation."""
    axes = tuple(range(total.ndim - 1))
    means, wanted = total.mean(axes), aim.mean(axes)
    if not deviations:
        return replace(layer, bias=_int32(layer.bias + wanted - means))
    gain = aim.std(axes) / np.maximum(total.std(axes), 1)
    gain = np.where(gain > 0, gain, 1.0)
    factors = layer.multiplier.astype(np.float64) * 2.0 ** (-31.0 - layer.shift) * gain
    multipliers, shifts = zip(*(quantize_multiplier(factor) for factor in factors.tolist()), strict=True)
    return replace(layer, bias=_int32(layer.bias + wanted / gain - means), shift=np.array(shifts, np.int32),
                   multiplier=np.array(multipliers, np.int32))


def _int32(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -(1 << 31), (1 << 31) - 1).astype(np.int32)
