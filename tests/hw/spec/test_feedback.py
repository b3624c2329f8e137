import json

import pytest

from hw.spec.errors import SpecError
from hw.spec.feedback import Feedback, LatencyEntry, LayerLatency, NoiseProfile

NOISE = {"multiplier": "trunc", "weight_bits": 2, "mean": (0.0, -0.5, 0.1, 1 / 3), "variance": (0.0, 1.0, 2.0, 0.25),
         "pairs": 1024, "simulator": "Verilator 5.48"}
LAYER = LayerLatency(name="1", op="dense", kernel=(1, 1), stride=(1, 1), taken=(1, 1), given=(1, 1), exact=True,
                     channels=((64, 8), (64, 4)), cycles=(90, 50))
RECORD = Feedback(design="d", fingerprint=7, clock_mhz=50.0, noise=NoiseProfile(**NOISE), latency=(
    LatencyEntry(network="mlp", width=0.5, weight_bits=8, cycles=99, step=4, layers=(LAYER,)),))


def test_a_record_survives_its_file(tmp_path):
    RECORD.save(tmp_path / "feedback.json")
    assert Feedback.load(tmp_path / "feedback.json") == RECORD
    before = (tmp_path / "feedback.json").read_bytes()
    RECORD.save(tmp_path / "feedback.json")
    assert (tmp_path / "feedback.json").read_bytes() == before


@pytest.mark.parametrize("name", ["mean", "variance"])
def test_noise_has_an_entry_for_every_weight(name):
    with pytest.raises(SpecError, match=rf"^{name}: 3 entries; 2-bit weights need 4; measure the multiplier again$"):
        NoiseProfile(**{**NOISE, name: (0.0, 1.0, 2.0)})


@pytest.mark.parametrize("damage", [
    lambda record: record["noise"].pop("mean"), lambda record: record.update(faults={"weights": {"rate": 0.1}}),
    lambda record: record["noise"]["mean"].pop(), lambda record: record.update(more=1),
    lambda record: record["latency"][0].pop("cycles"), lambda record: record["latency"][0].pop("layers"),
    lambda record: record["latency"][0]["layers"][0].pop("op"),
], ids=["mean", "both", "a mean", "more", "cycles", "layers", "operator"])
def test_what_is_no_record_says_how_to_make_one(tmp_path, damage):
    path = tmp_path / "feedback.json"
    RECORD.save(path)
    record = json.loads(path.read_text())
    damage(record)
    path.write_text(json.dumps(record))
    with pytest.raises(SpecError, match=r": not a feedback record \(.*\); make one with `heddle explore`, "
                                        r"or write one as in docs/feedback.md$"):
        Feedback.load(path)


@pytest.mark.parametrize("text", ["{}", "[]", '{"faults": {}}', '{"faults": {"weights": {"rate": 2}}}', '{"noise": 1}'])
def test_what_is_in_no_record_is_one_line(tmp_path, text):
    path = tmp_path / "feedback.json"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"^[^\n]*: not a feedback record \([^\n]*\); make one with [^\n]*$"):
        Feedback.load(path)


def test_a_record_by_hand_has_faults_alone(tmp_path):
    path = tmp_path / "feedback.json"
    path.write_text('{"faults": {"weights": {"rate": 0.01}, "accumulator": {"bits": 12, "overflow": "wrap"}}}')
    record = Feedback.load(path)
    assert record.label == "1% of the bits of weights flip, accumulators wrap at 12 bits" and record.errs
    record.save(tmp_path / "again.json")
    assert Feedback.load(tmp_path / "again.json") == record


def test_latency_alone_errs_nowhere():
    record = Feedback(latency=RECORD.latency)
    assert not record.errs and record.label == "" and RECORD.label == "multiplier trunc, 2 bits"


def test_a_file_that_is_not_there_is_no_record(tmp_path):
    with pytest.raises(SpecError, match="not a feedback record"):
        Feedback.load(tmp_path / "gone.json")


def test_a_layer_with_more_channels_than_its_table_has_none():
    with pytest.raises(SpecError, match=r"^layer 1: the table has no 65 and 4 channels or more; make it for the "
                                        r"network as it is$"):
        LAYER.cycles_of(65, 4)
