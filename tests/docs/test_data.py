"""The page about data: every command that it prints runs, and every option is in it."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from flows import cli
from sw.data.augment import AUGMENTATIONS
from sw.data.sources import SOURCES

TEXT = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
COMMANDS = [line.partition("#")[0].strip() for line in re.findall(r"^ {4}(heddle .*)$", TEXT, re.MULTILINE)]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """All files that the page speaks of, tiny ones."""
    here = tmp_path_factory.mktemp("data")
    for name, make in (("photos", _photos), ("words", _words), ("spoken", _spoken), ("motions", _motions),
                       ("vibrations", _vibrations), ("gestures", _gestures)):
        (here / name).mkdir()
        make(here / name)
    np.savez(here / "arrays.npz", x=RNG.normal(0, 1, (60, 9)), y=np.arange(60) % 3)
    (here / "flowers.csv").write_text("\n".join(
        f"{','.join(f'{value:.2f}' for value in RNG.normal(number % 3, 1, 4))},{'abc'[number % 3]}"
        for number in range(60)), encoding="utf-8")
    (here / "motion.csv").write_text("time,ax,ay,az,activity\n" + "\n".join(
        f"{row},{','.join(f'{value:.2f}' for value in RNG.normal(0, 1, 3))},{('walk', 'run')[row // 100 % 2]}"
        for row in range(2000)), encoding="utf-8")
    (here / "mine.py").write_text(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1], encoding="utf-8")
    return here


def _photos(folder):
    for number in range(12):
        for kind in ("cat", "dog"):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(RNG.integers(0, 256, (9, 9 + number % 2, 3)).astype(np.uint8)).save(
                folder / kind / f"{number}.{'jpg' if number % 2 else 'png'}")
    (folder / "labels.csv").write_text("file,label\n" + "\n".join(
        f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.rglob("*.png"))), encoding="utf-8")


def _words(folder):
    for number in range(8):
        for word in ("no", "yes"):
            (folder / word).mkdir(exist_ok=True)
            soundfile.write(folder / word / f"{number}.wav", RNG.normal(0, 0.1, 4000), 8000)


def _spoken(folder):
    for speaker in ("anna", "ben", "theo"):
        for take in range(4):
            for word in "01":
                soundfile.write(folder / f"{word}_{speaker}_{take}.wav", RNG.normal(0, 0.1, 4000), 8000)


def _recording(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("x,y\n" + "\n".join(f"{a:.2f},{b:.2f}" for a, b in RNG.normal(0, 1, (rows, 2))), encoding="utf-8")


def _vibrations(folder):
    for number in range(8):
        for kind in ("calm", "odd"):
            _recording(folder / kind / f"{number}.csv", 150 + number)


def _gestures(folder):
    for person in ("anna", "ben", "theo"):
        for take in range(3):
            for kind in ("up", "down"):
                _recording(folder / f"{kind}_{person}_{take}.csv", 40)


def _motions(folder):
    for part, count in (("TRAIN", 24), ("TEST", 12)):
        series = "\n".join(f"{','.join(f'{value:.2f}' for value in RNG.normal(0, 1, 30))}:{'ab'[number % 2]}"
                           for number in range(count))
        (folder / f"Motions_{part}.ts").write_text(f"@classLabel true a b\n@data\n{series}\n", encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(place, monkeypatch, capsys, command):
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as ended:
        cli.main(shlex.split(command)[1:])
    assert ended.value.code == 0, capsys.readouterr().err


def test_no_source_lacks_its_command():
    kinds = {command.split()[2].partition(":")[0].partition(",")[0] for command in COMMANDS}
    assert kinds >= set(SOURCES) - {"idx", "mnist"} | {"mine.py"}
    rows = set(re.findall(r"`([a-z]+)(?::[A-Z]+)?`", TEXT.split("| source |")[1].split("\n\n")[0]))
    assert rows == set(SOURCES)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_option_is_in_its_table(name):
    for option in fields(SOURCES[name].options):
        assert f"| `{option.name}` | {option.metadata['says']} |" in TEXT, option.name


def test_every_change_of_inputs_is_in_its_table():
    table = TEXT.split("| name | does |")[1].split("\n\n")[0]
    assert {row.partition(":")[0] for row in re.findall(r"\| `([\w-]+:)", table)} == set(AUGMENTATIONS)
