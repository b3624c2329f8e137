import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.commands import watch
from flows.commands.watch import serve
from flows.report.live import WatchError
from flows.report.recording import STATE, recording
from flows.run.progress import note, tell, work
from tests.support.browser import page_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Address of a server for the folder ``run``, which holds a run."""
    servers, made = [], watch._Server
    monkeypatch.setattr(watch, "_Server", lambda *arguments: servers.append(made(*arguments)) or servers[-1])
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / STATE).write_text(json.dumps({"asked": "digits"}), encoding="utf-8")
    told, ready = [], threading.Event()
    thread = threading.Thread(target=serve, args=(folder, 0, lambda address: (told.append(address), ready.set())))
    thread.start()
    assert ready.wait(20)
    yield told[0], folder
    servers[0].shutdown()
    thread.join()


def get(address, path="/", **headers):
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_a_browser_sees_the_run_while_it_goes_on(watched, tmp_path):
    address, folder = watched
    with recording(folder, "digits"), work("training the networks", 3):
        tell("pretrain: 3 passes", task="mlp w8")
        note("failed: mlp w4: killed")
        until = time.monotonic() + 20
        while "mlp w4" not in (folder / STATE).read_text(encoding="utf-8"):
            assert time.monotonic() < until
            time.sleep(0.05)
        shown = page_of(address, tmp_path / "profile")
    for text in ("Heddle: digits", "goes on", "training the networks", "mlp w8", "pretrain: 3 passes",
                 "failed: mlp w4: killed"):
        assert text in shown


def test_a_browser_that_watches_is_given_the_report_in_the_end(watched, tmp_path, monkeypatch):
    address, folder = watched
    now, asked = watch._now, []

    def ends(live):
        """Behind the second look the run is done."""
        asked.append(now(live))
        if len(asked) == 2:
            (folder / "report.html").write_text("<title>All of it</title>the report", encoding="utf-8")
            (folder / STATE).unlink()
        return asked[-1]

    monkeypatch.setattr(watch, "_now", ends)
    shown = page_of(address, tmp_path / "profile", after_ms=8000)
    assert "<title>All of it</title>" in shown and len(asked) == 3


def test_what_changes_is_asked_for_alone(watched):
    status, text = get(watched[0], "/live")
    assert status == 200 and json.loads(text)["done"] is False and "digits" in json.loads(text)["html"]
    assert get(watched[0], "/etc/passwd")[0] == 404 and get(watched[0], "/../run/progress.json")[0] == 404


def test_only_this_machine_is_answered(watched):
    """Neither another machine, nor a page of another site whose name leads here."""
    port = int(watched[0].split(":")[2].strip("/"))
    assert get(watched[0], Host=f"evil.example:{port}")[0] == 403
    assert get(watched[0], Host=f"localhost:{port}")[0] == 200
    with pytest.raises(OSError):      # another address of the loopback stands for one of this machine outwards
        socket.create_connection(("127.0.0.2", port), timeout=2).close()


def test_a_state_of_another_version_is_a_line_on_the_page(watched):
    (watched[1] / STATE).write_text('{"format": "<b>"}', encoding="utf-8")
    assert "written by another version of Heddle" in json.loads(get(watched[0], "/live")[1])["html"]


def test_a_port_that_is_taken_is_a_line(tmp_path, watched):
    port = int(watched[0].split(":")[2].strip("/"))
    with pytest.raises(WatchError, match=f"^port {port}: Address already in use; name another with --port$"):
        serve(watched[1], port, print)


def run(*arguments):
    return subprocess.Popen([sys.executable, "-m", "flows.cli", "watch", *map(str, arguments)], cwd=ROOT,
                            stderr=subprocess.PIPE, encoding="utf-8", env={**os.environ})


@pytest.fixture
def heeding_ctrl_c():
    """A shell ignores SIGINT in what it starts in the background, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_the_command_says_where_and_ends_with_ctrl_c(tmp_path):
    with recording(tmp_path, "digits"):
        process = run(tmp_path, "--port", "0")
        address = process.stderr.readline()
        assert address.endswith("/ (Ctrl-C ends)\n") and get(address.split(" ")[0])[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
        process.stderr.close()


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    process = run(tmp_path / "nowhere")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said == (f"heddle: {tmp_path}/nowhere: no such folder; give the --out of a `heddle explore` that has "
                    f"begun\n")
