import os
import time

import pytest

from flows.report import live as module
from flows.report.live import Live, WatchError, shell
from flows.report.recording import STATE, State, Task, Work
from flows.run.files import write_json
from flows.run.typed import to_plain
from tests.support.points import point, without_data


def folder_with(tmp_path, **fields):
    state = {"asked": "digits", "now_s": 100.0, **fields}
    write_json(tmp_path / STATE, to_plain(State(**state)))
    return tmp_path


def body(tmp_path, **fields):
    return Live(folder_with(tmp_path, **fields)).body()


def test_who_does_what_and_what_failed(tmp_path):
    shown = body(tmp_path, tasks=[Task(name="mlp w8", text="pretrain: 3 passes [tcp://10.0.0.2:1]", since_s=35.0)],
                 notes=["failed: mlp w4: killed", "seed 1 is tried"])
    for text in ("digits", "goes on", "mlp w8", "pretrain: 3 passes [tcp://10.0.0.2:1]", "1 min 5 s",
                 "failed: mlp w4: killed", "<b>1</b><span>failures and warnings", "seed 1 is tried"):
        assert text in shown


def test_works_with_what_is_left_of_them(tmp_path):
    """Three units took 30 s each; the four before came from the store."""
    going = Work(title="training", began_s=5.0, done=7, total=10, paced_s=10.0, paced_done=4)
    shown = body(tmp_path, works=[going], past=[Work(title="checking", began_s=0.0, done=2, total=2, ended_s=5.0)])
    assert "7 of 10" in shown and "about 1 min 30 s" in shown and "width:70.0%" in shown
    assert "2 of 2" in shown and "ended" in shown and "width:100.0%" in shown
    assert "<b>1 min 30 s</b><span>left" in shown


@pytest.mark.parametrize("work", [Work(title="searching", began_s=5.0), Work(title="searching", began_s=5.0, total=3)])
def test_what_is_left_is_not_guessed_before_a_unit_is_done(tmp_path, work):
    shown = body(tmp_path, works=[work])
    assert "not known yet" in shown and "<b>not known</b>" in shown


@pytest.mark.parametrize("data", [True, False])
def test_the_front_so_far(tmp_path, monkeypatch, data):
    found = [point(f"net{number}", 0.9 + number / 100, 1e-5 * (number + 1), 1000) for number in range(25)]
    live = Live(folder_with(tmp_path))
    monkeypatch.setattr(live.found, "front", lambda: found if data else [without_data(one) for one in found])
    shown = live.body()
    assert "<svg" in shown and found[3].id in shown and "and 5 more" in shown
    assert ("0.9300" in shown) == data


def test_a_run_that_was_stopped_says_why(tmp_path):
    shown = body(tmp_path, ended="interrupted")
    assert "stopped" in shown and "interrupted; what was finished is in the store" in shown


def test_a_run_that_says_nothing_any_more_was_killed(tmp_path):
    live = Live(folder_with(tmp_path))
    assert "goes on" in live.body()
    then = time.time() - module.SILENT_S - 1
    os.utime(tmp_path / STATE, (then, then))
    assert "silent" in live.body() and "no sign of life for 21 s: if it was killed" in live.body()


def test_text_of_others_is_text(tmp_path):
    assert "<script>alert" not in body(tmp_path, asked="<script>alert(1)</script>", notes=["<script>alert(2)</script>"],
                                       tasks=[Task(name="<script>alert", text="<script>alert", since_s=0.0)])


def test_when_it_has_ended_there_is_the_report(tmp_path):
    live = Live(folder_with(tmp_path))
    (tmp_path / "report.html").write_text("of a run before", encoding="utf-8")
    assert not live.done
    (tmp_path / STATE).unlink()
    assert live.done and live.report == b"of a run before" and "has ended" in live.body()
    assert Live(tmp_path).done


def test_a_folder_without_a_run_is_a_line(tmp_path):
    with pytest.raises(WatchError, match="nowhere: no such folder; give the --out of a `heddle explore` that has"):
        Live(tmp_path / "nowhere")
    with pytest.raises(WatchError, match=f"^{tmp_path}: holds no run; give the --out of"):
        Live(tmp_path)
    write_json(tmp_path / STATE, {"format": 99})
    with pytest.raises(WatchError, match="progress.json: written by another version of Heddle"):
        Live(tmp_path)


def test_the_page_asks_for_nothing_from_elsewhere():
    assert "http" not in shell() and 'fetch("live")' in shell()
