"""What the README says can be done: each command that it prints is run by a test that is named here."""

import re
import subprocess
from pathlib import Path

import pytest

from flows.cli import cli
from flows.run.store import Store
from tests.support.readme import README, printed_commands

ROOT = Path(__file__).parents[1]
TEXT = README.read_text(encoding="utf-8")
COMMANDS = printed_commands(TEXT)
POINT = "runs/explore/points/ID --design runs/explore/points/ID/design.toml"
JOB, BENCH = "tests/flows/test_explore.py", "tests/flows/commands/test_bench.py"
#: Command -> the test that runs it, as it is printed but for names in capitals. What takes longer is asked for less.
RUN_BY = {
    "make explore": f"{JOB}::test_make_explore_is_the_same_job",                     # in a small space
    "make test": "tests/test_readme.py::test_make_test_checks_and_tests",            # of one file
    "make clean": "tests/test_readme.py::test_make_clean_empties_the_store",
    "heddle --help": "tests/flows/test_cli.py::test_help_is_quick",
    "heddle doctor": "tests/flows/test_cli.py::test_doctor_finds_the_set_up_whole",
    "heddle explore --model net.tflite":
        "tests/flows/commands/test_explore.py::test_hardware_for_a_model",
    "heddle explore --design up5k": "tests/flows/commands/test_explore.py::test_networks_for_a_up5k",
    "heddle explore --space my.toml": f"{JOB}::test_a_second_run_makes_nothing_and_writes_the_same",
    "heddle explore --cluster HOST:8786":
        "tests/flows/commands/test_explore.py::test_a_cluster_finds_the_same_front",     # in a small space, with kills
    "heddle watch runs/explore":
        "tests/flows/commands/test_watch.py::test_the_command_says_where_and_ends_with_ctrl_c",
    "heddle data wav:PATH --picture samples.svg": "tests/docs/test_data.py::test_every_command_runs",
    "heddle train dscnn --data mnist:PATH --weight-bits 4 --passes 20 --out runs/mnist":
        "tests/flows/commands/test_train.py::test_a_network_is_trained_into_a_folder",   # on digits, in fewer passes
    "heddle explore --data mnist:PATH --board ulx3s-25 --max-latency 0.001 --min-accuracy 0.95":
        f"{JOB}::test_data_in_mnists_format",                                        # in a small space
    "heddle models FILE": "tests/flows/commands/test_models.py::test_without_a_design_all_presets_are_tried",
    "heddle models FILE --design ecp5-85 --picture net.svg":
        "tests/flows/commands/test_models.py::test_a_picture_is_drawn",
    f"heddle estimate {POINT}": f"{JOB}::test_a_point_is_taken_by_every_other_command",
    f"heddle verify {POINT} --level soc --inputs 32": f"{JOB}::test_a_point_is_taken_by_every_other_command",
    f"heddle build {POINT} --board ulx3s-25 --out build": f"{JOB}::test_a_point_is_taken_by_every_other_command",
    "heddle flash build": f"{JOB}::test_a_point_is_taken_by_every_other_command",
    f"heddle verify {POINT} --level board --port DEV":
        "tests/flows/verify/test_board.py::test_the_command_speaks_to_a_port",      # of a simulated SoC
    "heddle verify": f"{JOB}::test_a_point_is_taken_by_every_other_command",
    "heddle bench --section engine --data PATH": f"{BENCH}::test_the_readme_has_what_the_engines_do",
    "heddle bench --section simulation": f"{BENCH}::test_the_speed_of_the_simulation",
    # of one engine: all of them take hours
    "heddle bench --section fabric": "tests/flows/fpga/test_fabric.py::test_the_section_of_the_benchmark",
    "heddle bench --section boards": f"{BENCH}::test_boards_have_every_network",     # of stand-ins: routes take hours
}


def unknown_runs(commands, run_by):
    """Commands that no test runs, and tests that are not there."""
    found = [command for command in commands if command not in run_by]
    for test in run_by.values():
        path, _, name = test.partition("::")
        file = ROOT / path
        if not file.is_file() or not re.search(rf"^def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE):
            found.append(test)
    return found


def test_every_command_is_run_by_a_test():
    assert unknown_runs(COMMANDS, RUN_BY) == []
    assert set(RUN_BY) - set(COMMANDS) == set()


def test_a_command_that_nothing_runs_is_seen():
    assert unknown_runs(["heddle explore --fast"], {}) == ["heddle explore --fast"]
    assert unknown_runs([], {"a": f"{JOB}::test_gone", "b": "tests/gone.py::test_x"}) == [
        f"{JOB}::test_gone", "tests/gone.py::test_x"]


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("heddle ") and "--help" not in line])
def test_every_command_parses(command):
    """Names, options and their types are right."""
    name, *arguments = command.split()[1:]
    sub = cli.commands[name]
    assert sub.make_context(name, arguments, resilient_parsing=not arguments).command is sub     # some only name one


def make(target, **settings):
    """Without the set-up, which has made what this runs in."""
    return subprocess.run(["make", target, "PYTHON=true", *(f"{name}={value}" for name, value in settings.items())],
                          cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


def test_make_clean_empties_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path))
    store = Store(tmp_path)
    path = store.get("text", {"a": 1}, lambda folder: (folder / "x").write_text("x"))
    store.close()
    done = make("clean")
    assert done.returncode == 0, done.stderr
    assert not path.exists()


@pytest.mark.slow
def test_make_test_checks_and_tests():
    done = make("test", ARGS="tests/hw/spec/test_registers.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All checks passed!" in done.stdout and " 3 passed in " in done.stdout


def test_every_path_exists():
    paths = re.findall(r"[`(]((?:hw|sw|cosim|flows|boards|docs|tests)/[\w./]+)[`)]", TEXT)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z_]+@", TEXT)
