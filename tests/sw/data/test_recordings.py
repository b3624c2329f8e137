import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sw.data import BrokenFiles, DataError, load_dataset
from sw.data.augment import Noise, TimeShift
from sw.golden.features import features
from sw.graph.audio import STEPS, FeatureSpec

SHARED = Path(__file__).parents[4] / "shared/data"
DIGITS, COMMANDS = SHARED / "spoken_digits/recordings", SHARED / "speech_commands"
PATTERN = "names={label}_{speaker}_{take}.wav"
RATE = 8000


def tone(hertz, seconds=0.5, rate=RATE, loud=0.5):
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def save(path, wave, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, **options)


@pytest.fixture
def folder(tmp_path):
    """Three speakers say two words four times; loudness tells them apart."""
    for place, speaker in enumerate(("anna", "ben", "cleo", "dan")):
        for take in range(4):
            for word, hertz in (("no", 300), ("yes", 600)):
                save(tmp_path / f"{word}_{speaker}_{take}.wav", tone(hertz, loud=0.1 + 0.2 * place + 0.01 * take))
    return tmp_path


def test_recordings_are_cut_or_filled_with_silence(folder):
    data = load_dataset(f"wav:{folder},{PATTERN},seconds=0.75")
    assert (data.shape, data.rate, data.scale) == ((1, 6000, 1), 8000, 1 / 32768)
    assert data.inputs["train"].dtype == np.int16 and data.warnings == ()
    assert (data.inputs["train"][:, 4000:] == 0).all() and (data.inputs["train"][:, :4000] != 0).any((1, 2)).all()
    assert data.augmentations == (TimeShift(steps=300), Noise(share=0.05))
    cut = load_dataset(f"wav:{folder},{PATTERN},seconds=0.25")
    assert cut.shape == (1, 2000, 1)
    assert cut.warnings == (
        f"{folder}: 32 of 32 recordings are longer than 0.25 s and cut; write seconds= to keep more",)


def speakers(data, split, place=1):
    return {name.removesuffix(".wav").split("_")[place] for name in data.names[split]}


def test_no_speaker_is_in_two_splits(folder):
    for seed in range(3):
        data = load_dataset(f"wav:{folder},{PATTERN},seed={seed}")
        found = [speakers(data, split) for split in ("train", "valid", "test")]
        assert sum(map(len, found)) == 4 and set.union(*found) == {"anna", "ben", "cleo", "dan"}
    chosen = load_dataset(f"wav:{folder},{PATTERN},test=ben,valid=dan")
    assert [speakers(chosen, split) for split in ("test", "valid")] == [{"ben"}, {"dan"}]
    takes = load_dataset(f"wav:{folder},{PATTERN},by=take,test=0-1,valid=2")
    assert [speakers(takes, split, 2) for split in ("train", "valid", "test")] == [{"3"}, {"2"}, {"0", "1"}]


def test_test_has_speakers_that_were_never_heard_and_valid_other_takes_of_those_that_were(folder):
    data = load_dataset(f"wav:{folder},{PATTERN},by=speaker,test=ben,valid_by=take,valid=2")
    assert speakers(data, "test") == {"ben"} and speakers(data, "test", 2) == {"0", "1", "2", "3"}
    assert speakers(data, "train") == speakers(data, "valid") == {"anna", "cleo", "dan"}
    assert [speakers(data, split, 2) for split in ("train", "valid")] == [{"0", "1", "3"}, {"2"}]
    with pytest.raises(DataError, match=r"by=room: the files tell speaker, take; name one of these"):
        load_dataset(f"wav:{folder},{PATTERN},valid_by=room")


def test_a_folder_a_class(folder):
    for path in folder.glob("*.wav"):
        word, rest = path.name.split("_", 1)
        (folder / word).mkdir(exist_ok=True)
        path.rename(folder / word / rest)
    data = load_dataset(f"wav:{folder}")
    assert (data.class_names, [len(data.labels[split]) for split in ("train", "valid", "test")]) == (
        ("no", "yes"), [24, 2, 6])


@pytest.mark.parametrize("options, close", [
    ({"subtype": "PCM_16"}, 1), ({"subtype": "PCM_24"}, 1), ({"subtype": "FLOAT"}, 1), ({"subtype": "PCM_U8"}, 260),
    ({"subtype": "ULAW"}, 1200), ({"format": "WAVEX", "subtype": "PCM_16"}, 1)])
def test_any_kind_of_file(tmp_path, options, close):
    wave = tone(440)
    for take in range(6):
        for word in ("a", "b"):
            save(tmp_path / f"{word}/{take}.wav", np.stack([wave, wave], 1), **options)
    data = load_dataset(f"wav:{tmp_path},seconds=0.5")
    assert np.abs(data.inputs["test"][0, :, 0] - wave * 32768).max() <= close


def test_flac_and_channels_that_are_averaged(tmp_path):
    wave = tone(440)
    for take in range(6):
        for word in ("a", "b"):
            save(tmp_path / f"{word}/{take}.flac", np.stack([wave, -wave * 0.5], 1))
    data = load_dataset(f"wav:{tmp_path},seconds=0.5")
    assert np.abs(data.inputs["test"][0, :, 0] - wave * 32768 / 4).max() <= 1


def test_another_rate(folder):
    data = load_dataset(f"wav:{folder},{PATTERN},rate=16000,seconds=0.5")
    assert (data.rate, data.shape) == (16000, (1, 8000, 1))
    number = data.names["test"].index(next(name for name in data.names["test"] if name.startswith("yes")))
    spectrum = np.abs(np.fft.rfft(data.inputs["test"][number, :, 0]))
    assert spectrum.argmax() == 300                                           # 600 Hz, in steps of 2
    save(folder / "no_eve_0.wav", tone(300, rate=16000), 16000)
    with pytest.raises(DataError, match=r"no_eve_0.wav: has 16000 samples a second, 32 of 33 recordings have 8000"):
        load_dataset(f"wav:{folder},{PATTERN}")
    assert load_dataset(f"wav:{folder},{PATTERN},rate=8000").shape == (1, 8000, 1)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:3000])


def not_finite(path):
    save(path, np.array([0.5, np.nan, 0.25]), subtype="FLOAT")


@pytest.mark.parametrize("damage, reason", [
    (cut_short, "ends after 2956 of 8000 bytes of samples"), (not_finite, "has values that are not finite"),
    (lambda path: path.write_bytes(b""), "Format not recognised"),
    (lambda path: path.write_bytes(b"ID3 no wave"), r"Format not recognised"),
    (lambda path: save(path, np.zeros(0)), "has no samples")])
def test_broken_files_are_named(folder, damage, reason):
    damage(folder / "no_ben_1.wav")
    with pytest.raises(BrokenFiles, match=rf"no_ben_1.wav: cannot be used \({reason}\S*\); mend or remove") as caught:
        load_dataset(f"wav:{folder},{PATTERN}")
    assert "\n" not in str(caught.value)
    data = load_dataset(f"wav:{folder},{PATTERN},broken=skip")
    assert sum(map(len, data.labels.values())) == 31
    assert "no_ben_1.wav: left out (" in data.warnings[0]


def test_a_file_whose_end_was_not_known_when_it_was_begun_loads(folder):
    path = folder / "no_ben_1.wav"
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(bytes(content))
    assert sum(map(len, load_dataset(f"wav:{folder},{PATTERN}").labels.values())) == 32


def test_what_is_louder_than_full_is_cut_off(tmp_path):
    for take in range(6):
        for word in ("a", "b"):
            save(tmp_path / f"{word}/{take}.wav", np.array([1e30, -1e30, 0.5, 0], np.float32), subtype="FLOAT")
    data = load_dataset(f"wav:{tmp_path},seconds=0.0005")
    assert data.inputs["test"][0].ravel().tolist() == [32767, -32768, 16384, 0]


@pytest.mark.parametrize("options, error", [
    ("seconds=0", r"seconds=0: write more than 0 and up to 60"), ("seconds=nan", r"seconds=nan: write more"),
    ("rate=7", r"rate=7: write 1000 to 192000 samples a second"),
    (f"{PATTERN},test=theo", r"test: no group 'theo'; there are anna, ben, cleo, dan"),
    (f"{PATTERN},test=0-1", r"no group '0-1'"), ("by=take", r"lies in no folder of a class")])
def test_wrong_options_are_one_line(folder, options, error):
    with pytest.raises(DataError, match=error) as caught:
        load_dataset(f"wav:{folder},{options}")
    assert "\n" not in str(caught.value)


def test_no_folder():
    with pytest.raises(DataError, match=r"data 'wav:': no folder; write wav:DIR"):
        load_dataset("wav:")


@pytest.mark.skipif(not COMMANDS.is_dir(), reason="the recordings of Speech Commands are not beside this checkout")
def test_speech_commands_come_with_their_lists():
    data = load_dataset(f"wav:{COMMANDS}")
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [205, 44, 51]
    assert (data.classes, data.rate, data.shape) == (30, 16000, (1, 16000, 1))


@pytest.mark.skipif(not DIGITS.is_dir(), reason="the spoken digits are not beside this checkout")
def test_spoken_digits_by_take_and_by_speaker():
    data = load_dataset(f"wav:{DIGITS},{PATTERN},by=take,test=0-4,valid=5-9")
    assert [len(data.labels[split]) for split in ("train", "valid", "test")] == [2400, 300, 300]
    assert speakers(data, "test") == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}


def test_features_of_recordings(folder):
    plain = load_dataset(f"wav:{folder},{PATTERN}")
    data = load_dataset(f"wav:{folder},{PATTERN},features=20,hop=10")
    spec = FeatureSpec(rate=RATE, hop_ms=10, channels=20, high_hz=3750)
    assert (data.spec, data.shape, data.scale) == (spec, (98, 20, 1), 1 / STEPS)
    assert data.augmentations == (TimeShift(steps=4),)
    for split in ("train", "valid", "test"):
        assert np.array_equal(data.inputs[split][..., 0], features(spec, plain.inputs[split][..., 0]))
        assert data.names[split] == plain.names[split]
    sequence = load_dataset(f"wav:{folder},{PATTERN},features=20,hop=10,axes=sequence")
    assert sequence.shape == (1, 98, 20) and sequence.digest != data.digest


@pytest.mark.parametrize("options, text", [
    ("features=200", "features=200: channels=200: features have 1 to 128 channels"),
    ("features=20,high=4400", "features=20: low_hz=125, high_hz=4400: channels lie between 0 and half the rate"),
    ("features=20,window=30,seconds=0.02", "window=30: a recording of 160 samples has no whole window of 240")])
def test_features_that_cannot_be_are_one_line(folder, options, text):
    with pytest.raises(DataError) as caught:
        load_dataset(f"wav:{folder},{PATTERN},{options}")
    assert text in str(caught.value)
