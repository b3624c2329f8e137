from dataclasses import asdict

import pytest

from hw.spec.errors import SpecError
from hw.spec.faults import Accumulator, AnalogArray, BitFlips, Faults, faults_of

FLIPS, KEPT, ARRAY = BitFlips(rate=0.01), Accumulator(bits=12, overflow="wrap"), AnalogArray(seconds=86400)


@pytest.mark.parametrize("faults, label", [
    (Faults(weights=FLIPS), "1% of the bits of weights flip"),
    (Faults(activations=BitFlips(rate=0.0005), accumulator=KEPT),
     "0.05% of the bits of activations flip, accumulators wrap at 12 bits"),
    (Faults(array=ARRAY), "phase-change memory after 1 day, ADC 8 bits, DAC 8 bits"),
    (Faults(array=AnalogArray(seconds=63_072_000, adc_bits=4, compensated=False)),
     "phase-change memory after 2 years, ADC 4 bits, DAC 8 bits, not compensated"),
    (Faults(array=AnalogArray(seconds=25)), "phase-change memory after 25 s, ADC 8 bits, DAC 8 bits")])
def test_faults_survive_plain_values_and_have_a_label(faults, label):
    assert faults_of(asdict(faults)) == faults and faults.label == label


@pytest.mark.parametrize("made, random", [(Faults(accumulator=KEPT), False), (Faults(activations=FLIPS), True),
                                          (Faults(array=ARRAY), True)])
def test_who_differs_from_device_to_device(made, random):
    assert made.random is random


@pytest.mark.parametrize("record, said", [
    ({}, "faults: none is there; name weights, activations, accumulator, array"),
    ({"weight": {}}, "faults: unknown key 'weight'; there are weights, activations, accumulator, array"),
    ({"weights": 0.1}, "faults: weights=0.1: is a table of rate"),
    ({"weights": {"share": 0.1}}, "faults: weights={'share': 0.1}: is a table of rate"),
    ({"weights": {}}, "faults: weights={}: "),
    ({"weights": {"rate": 0.6}}, "rate=0.6: must be 0 to 0.5"),
    ({"weights": {"rate": float("nan")}}, "rate=nan: must be a number"),
    ({"weights": {"rate": True}}, "rate=True: must be a number"),
    ({"accumulator": {"bits": 12.0, "overflow": "wrap"}}, "bits=12.0: must be a whole number"),
    ({"accumulator": {"bits": 3, "overflow": "wrap"}}, "bits=3: must be 4 to 32"),
    ({"accumulator": {"bits": 12, "overflow": "clip"}}, "overflow='clip': choose wrap or saturate"),
    ({"array": {"seconds": -1}}, "seconds=-1: must be 0 to 1e+09"),
    ({"array": {"seconds": 1, "adc_bits": 9}}, "adc_bits=9: must be 2 to 8"),
    ({"array": {"seconds": 1, "compensated": 1}}, "compensated=1: must be true or false"),
    ({"array": {"seconds": 1}, "weights": {"rate": 0.1}},
     "array: an analog array has no digital weights; leave one of them out"),
    ({"array": {"seconds": 1}, "accumulator": {"bits": 12, "overflow": "wrap"}},
     "array: an analog array has no digital accumulator; leave one of them out")])
def test_what_cannot_be_is_one_line(record, said):
    with pytest.raises(SpecError) as error:
        faults_of(record)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_whole_and_real_numbers_are_one_record():
    assert AnalogArray(seconds=60) == AnalogArray(seconds=60.0) and (KEPT.low, KEPT.high) == (-2048, 2047)
