import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli
from hw.spec.errors import HeddleError

ROOT = Path(__file__).parents[2]


def run(capsys, *arguments):
    """(status, standard output, standard error) of one command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.mark.parametrize("name", sorted(cli.cli.commands))
def test_every_command_has_help_with_an_example(capsys, name):
    status, out, _ = run(capsys, name, "--help")
    assert status == 0
    assert f"Example:\n    heddle {name}" in out


def test_the_contract_is_complete():
    assert set(cli.cli.commands) == {"doctor", "explore", "train", "estimate", "verify", "emit", "build", "flash",
                                     "bench", "report", "models", "data", "watch"}


@pytest.mark.parametrize("arguments, says", [
    (["explor"], "No such command 'explor'"),
    (["verify", "mlp"], "Missing option '--design'. (see `heddle verify --help`)"),
    (["explore", "--max-latency", "nan"], "Invalid value for '--max-latency': nan is not a number of the range"),
    (["explore", "--model", "kws.tflite", "--design", "ecp5-25"], "--model and --design: nothing is left to search"),
    (["explore", "--trials", "0"], "Invalid value for '--trials'"),
    (["explore", "--board", "zynq"], "board 'zynq': unknown; choose one of colorlight-i5, ecpix5-45"),
    (["explore", "--data", "cifar"], "data 'cifar': unknown; choose digits, idx:DIR"),
    (["explore", "--space", "no.toml"], "no.toml: No such file or directory"),
    (["estimate", "nonet", "--design", "ecp5-25"], "model 'nonet': neither a network (mlp, dscnn, "),
    (["estimate", "mlp", "--design", "ecp6"], "design 'ecp6': neither a preset"),
    (["train", "nonet"], "network 'nonet': unknown"),
    (["train", "mlp", "--quantize-layers", "fc"],
     "Invalid value for '--quantize-layers': 'fc' is no NAME=NUMBER,..., such as classifier=8"),
    (["train", "mlp", "--quantize-layers", "fc=8"], "quantize.layers: no layer with weights is named 'fc'; there are "),
    (["train", "mlp", "--set", "depth"], "Invalid value for '--set': 'depth' is no NAME=VALUE, such as width=0.5"),
    (["train", "mlp", "--set", "depth=3"], "network 'mlp': its function takes no depth; it takes width"),
    (["train", "mlp", "--set", "width=wide"], "width='wide': must be a finite number"),
    (["train", "mlp", "--set", "a=2", "--set", "a=3"], "settings: a name is there twice; keep one"),
    (["train", "gone.py:net"], "network 'gone.py:net': there is no file gone.py; write file.py:function"),
    (["train", "dscnn", "--width", "16", "--design", "up5k"], "dscnn: activations take "),
    (["train", "mlp", "--feedback", "no.json"], "no.json: not a feedback record"),
    (["train", "mlp", "--rtl"], "--rtl: on which design? add --design ecp5-25, for example"),
    (["train", "mlp", "--compare", "3", "--feedback", "f.json", "--rtl"], "--rtl: --compare leaves no network to run"),
    (["train", "mlp", "--compare", "3"], "--compare needs errors to compare with: add --feedback FILE, see docs/feedb"),
    (["report", "nowhere"], "nowhere: no run.json"),
    (["explore", "--cluster", "127.0.0.1:9"], "cluster 127.0.0.1:9: no Dask scheduler answers there within 10 s"),
    (["explore", "--cluster", "127.0.0.1:9", "--jobs", "3"], "--jobs 3: of a cluster every worker does one task"),
    (["watch", "nowhere"], "nowhere: no such folder; give the --out of a `heddle explore` that has begun"),
    (["watch", "."], ".: holds no run; give the --out of a `heddle explore` that has begun"),
    (["flash", "nowhere"], "nowhere: no readable build.json"),
])
def test_bad_input_is_one_line_and_status_2(capsys, monkeypatch, tmp_path, arguments, says):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("heddle: ") and err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize("command", ["estimate", "verify", "emit", "build"])
@pytest.mark.parametrize("fields, says", [
    ('cpu = "arm"', "cpu='arm': unknown; choose 'picorv32', 'serv', 'vexriscv'"),
    ('board = "zynq"', "board 'zynq': unknown; choose one of colorlight-i5, ecpix5-45"),
])
def test_a_design_that_names_what_is_unknown_is_refused_before_any_work(capsys, monkeypatch, tmp_path, command, fields,
                                                                        says):
    """The model is not even looked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "design.toml").write_text(fields, encoding="utf-8")
    status, out, err = run(capsys, command, "nowhere", "--design", "design.toml")
    assert (status, out) == (2, "")
    assert err.startswith(f"heddle: {says}")
    assert [path.name for path in tmp_path.iterdir()] == ["design.toml"]


def raising(error):
    def stand_in(*arguments, **options):
        raise error
    return stand_in


@pytest.mark.parametrize("error, status, says", [
    (HeddleError("two\nlines"), 2, "heddle: two lines"),
    (OSError(28, "No space left on device", "runs/x"), 2, "runs/x: the disk is full; free some space"),
    (OSError(30, "Read-only file system", "runs"), 2, "runs: lies on a read-only file system; name another folder "
                                                      "with --out"),
    (PermissionError(13, "Permission denied", "runs/x"), 2, "runs/x: Permission denied"),
    (KeyboardInterrupt(), 130, "interrupted; `heddle report runs/x` goes on where it stopped"),
])
def test_what_a_command_raises_is_one_line(capsys, monkeypatch, error, status, says):
    monkeypatch.setattr("flows.report.page.write_report", raising(error))
    got, out, err = run(capsys, "report", "runs/x")
    assert (got, out) == (status, "")
    assert says in err and err.strip().count("\n") == 0   # click ends the line that ^C is on


def test_a_programming_error_is_not_hidden(monkeypatch):
    monkeypatch.setattr("flows.report.page.write_report", raising(KeyError("bug")))
    with pytest.raises(KeyError, match="bug"):
        cli.main(["report", "runs/x"])


REPORT = {"model": "m", "design": "d", "board": "b", "level": "engine", "inputs": 1, "mismatches": 0,
          "first_mismatch": None, "cycles": [9], "engine_cycles": [9], "predicted_cycles": 9,
          "layers": [{"name": "fc", "op": "dense", "macs": 4, "cycles": 9, "predicted_cycles": 9}], "kernels": []}


@pytest.mark.parametrize("change, status", [
    ({}, 0), ({"mismatches": 2, "first_mismatch": {"layer": "fc"}}, 1), ({"first_mismatch": {"what": "cycles"}}, 1)])
def test_verify_passes_and_fails(capsys, monkeypatch, change, status):
    monkeypatch.setattr("flows.commands.verify.verify_model", lambda **options: REPORT | change)
    got, out, err = run(capsys, "verify", "m", "--design", "d", "--json")
    assert got == status
    assert json.loads(out) == REPORT | change
    assert err == ""
    got, out, err = run(capsys, "verify", "m", "--design", "d")
    assert (got, out) == (status, "")
    assert "fc" in err


def test_doctor_finds_the_set_up_whole(capsys):
    status, out, err = run(capsys, "doctor")
    assert (status, out) == (0, "")
    assert "yosys" in err and "torch" in err


def test_help_is_quick():
    code = ("import sys; sys.argv = ['heddle', '--help']; from flows.cli import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "print(sorted({'torch', 'optuna', 'litex', 'sklearn', 'amaranth', 'plotly', 'rich', 'numpy'} & "
            "set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_bits_of_layers_are_numbers_by_name():
    assert cli.recipe_changes({"steps": "pretrain,quantize", "quantize__layers": "*fc=8,1.0=2", "passes": None}) == {
        "steps": ("pretrain", "quantize"), "quantize.layers": {"*fc": 8, "1.0": 2}}
