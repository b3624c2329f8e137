import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.run import store as store_module
from flows.run.store import Store, StoreError, open_store, parse_size
from hw.spec.errors import HeddleError, SpecError
from hw.tools import ToolError

KEY = {"design": {"rows": 2}, "seed": 1}


def writer(text="x", name="result", calls=None):
    def make(folder):
        (folder / name).write_text(text)
        if calls is not None:
            calls.append(text)
    return make


def leftovers(store):
    return list((store.root / "tmp").iterdir())


def python(tmp_path, code):
    """A process that has ``store`` open under ``tmp_path``."""
    start = ("import os, sys, time\nfrom pathlib import Path\nfrom flows.run.store import Store\n"
             "store = Store(Path(sys.argv[1]))\n")
    return subprocess.Popen([sys.executable, "-c", start + code, str(tmp_path)], stdout=subprocess.PIPE, text=True,
                            cwd=Path(__file__).parents[3])


def test_made_once_and_found_again(tmp_path):
    calls, store = [], Store(tmp_path)
    path = store.get("fit", KEY, writer(calls=calls))
    assert (path / "result").read_text() == "x"
    assert store.get("fit", dict(reversed(KEY.items())), writer(calls=calls)) == path
    assert Store(tmp_path).get("fit", KEY, writer(calls=calls)) == path
    assert calls == ["x"]
    assert (store.made, store.reused) == (1, 1)


def test_another_key_or_kind_is_another_result(tmp_path):
    store = Store(tmp_path)
    paths = {store.get("fit", KEY, writer()), store.get("run", KEY, writer()), store.get("fit", {"seed": 2}, writer())}
    assert len(paths) == 3


def test_find_makes_nothing(tmp_path):
    store = Store(tmp_path)
    assert store.find("fit", KEY) is None
    path = store.get("fit", KEY, writer())
    assert store.find("fit", KEY) == path


def test_a_key_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"^key of 'fit': Object of type PosixPath is not JSON .* use plain"):
        Store(tmp_path).get("fit", {"path": Path("a")}, writer())


def test_a_make_that_raises_stores_nothing(tmp_path):
    def make(folder):
        (folder / "half").write_text("half")
        raise SpecError("rows=3: no")

    store = Store(tmp_path)
    with pytest.raises(SpecError, match="rows=3"):
        store.get("fit", KEY, make)
    assert leftovers(store) == []
    assert (store.get("fit", KEY, writer()) / "result").exists()


def test_an_interrupt_stores_nothing(tmp_path):
    def make(folder):
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.get("fit", KEY, make)
    assert leftovers(store) == []
    assert store.find("fit", KEY) is None


def failing(calls, *, repeats):
    def make(folder):
        calls.append(1)
        (folder / "tool.log").write_text("everything it said")
        raise ToolError("nextpnr", "exit status 1", detail="ERROR: no place", log=folder / "tool.log", repeats=repeats)
    return make


def test_a_failure_that_would_repeat_is_kept_with_its_reason(tmp_path):
    calls = []
    for _ in range(2):
        store = Store(tmp_path)
        with pytest.raises(ToolError, match=r"^nextpnr: exit status 1: ERROR: no place \(log: .*\)$") as caught:
            store.get("route", KEY, failing(calls, repeats=True))
        assert caught.value.log.read_text() == "everything it said"
    assert calls == [1]
    assert store.find("route", KEY) is None


def test_a_time_out_is_tried_again(tmp_path):
    calls, store = [], Store(tmp_path)
    for _ in range(2):
        with pytest.raises(ToolError, match="no place") as caught:
            store.get("route", KEY, failing(calls, repeats=False))
        assert caught.value.log.read_text() == "everything it said"
    assert calls == [1, 1]
    assert leftovers(store) == []


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    def make(folder):
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "half"))

    store = Store(tmp_path)
    kept = store.get("fit", KEY, writer())
    with pytest.raises(HeddleError, match=r"^store .*: the disk is full; free some space, empty the store"):
        store.get("fit", {"seed": 2}, make)
    assert leftovers(store) == []
    assert store.find("fit", KEY) == kept


@pytest.mark.parametrize("there", ["", ".heddle", ".heddle/v1", ".heddle/v1/entries", ".heddle/v1/leases"])
def test_a_read_only_checkout_names_the_way_out(tmp_path, monkeypatch, there):
    """Whatever of the store was made before; root may write to a folder of any mode, so the system is stood in for."""
    if there.endswith("leases"):
        Store(tmp_path / ".heddle").close()
    (tmp_path / there).mkdir(parents=True, exist_ok=True)

    def read_only(function):
        def refusing(path, *arguments, **options):
            inside = Path(path).is_relative_to(tmp_path)
            if inside and Path(path).parent.is_dir() and not Path(path).exists():
                raise OSError(errno.EROFS, "Read-only file system", str(path))
            return function(path, *arguments, **options)
        return refusing

    for name in ("mkdir", "open"):
        monkeypatch.setattr(os, name, read_only(getattr(os, name)))
    with pytest.raises(StoreError, match=r"^store .*/.heddle/v1: cannot be written \(Read-only file system: .*\); "
                                         r"put it elsewhere with HEDDLE_CACHE$"):
        Store(tmp_path / ".heddle")


def test_a_store_where_a_file_is_names_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"^store .*/file/v1: cannot be written \(.*HEDDLE_CACHE$"):
        Store(tmp_path / "file")


@pytest.mark.parametrize("damage", [
    lambda path: (path / "result").unlink(),
    lambda path: (path / "result").write_text("longer than it was"),
    lambda path: (path / "result").write_text("y"),
    lambda path: (path / ".heddle.json").write_text("{"),
    lambda path: (path / ".heddle.json").unlink(),
], ids=["missing", "size", "content", "manifest", "no manifest"])
def test_a_damaged_result_is_made_again(tmp_path, damage):
    calls = []
    damage(Store(tmp_path).get("fit", KEY, writer(calls=calls)))
    store = Store(tmp_path)
    assert store.find("fit", KEY) is None
    assert (store.get("fit", KEY, writer(calls=calls)) / "result").read_text() == "x"
    assert calls == ["x", "x"]


def test_two_processes_make_it_once(tmp_path):
    code = """
def make(folder):
    time.sleep(0.5)
    (folder / "result").write_text(repr(time.time()))
print((store.get("fit", {"seed": 1}, make) / "result").read_text(), store.made)
"""
    said = [process.communicate()[0].split() for process in [python(tmp_path, code) for _ in range(3)]]
    assert len({stamp for stamp, _ in said}) == 1
    assert sorted(made for _, made in said) == ["0", "0", "1"]


def test_a_killed_run_is_swept_and_made_again(tmp_path):
    code = """
def make(folder):
    (folder / "half").write_text("half")
    print("started", flush=True)
    time.sleep(60)
store.get("fit", {"seed": 1}, make)
"""
    process = python(tmp_path, code)
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = Store(tmp_path)
    assert len(leftovers(store)) == 1
    assert sorted(os.listdir(store.get("fit", {"seed": 1}, writer()))) == [".heddle.json", "result"]
    assert leftovers(store) == []


#: A process that makes two results, killed before each thing that it does with files; each time another goes on.
KILLED_ANYWHERE = """
left = 0

def hook(event, args):
    global left
    if event.partition(".")[0] in ("open", "os", "shutil", "fcntl") and event != "os.kill":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)

def work(folder):
    store = Store(folder)
    found = [store.get("fit", {"seed": seed}, lambda made: (made / "x").write_text("x")) for seed in (1, 2)]
    assert [(path / "x").read_text() for path in found] == ["x", "x"]

def results(folder):
    return {path: path.stat().st_ino for path in folder.glob("v1/entries/*/*/*")}

sys.addaudithook(hook)
for number in range(1, 1000):
    folder = Path(sys.argv[1]) / str(number)
    child = os.fork()
    if child == 0:
        left = number
        work(folder)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    before = results(folder)
    work(folder)
    print(len(before), before.items() <= results(folder).items(), len(list((folder / "v1" / "tmp").iterdir())))
"""


def killed_anywhere(tmp_path, fault=""):
    """For each kill: results that were there, whether they stayed, and what it left."""
    process = python(tmp_path, f"{fault}\n{KILLED_ANYWHERE}")
    said = process.communicate()[0]
    assert process.returncode == 0
    return [line.split() for line in said.splitlines()]


def test_a_kill_at_any_moment_costs_no_result_and_leaves_nothing(tmp_path):
    said = killed_anywhere(tmp_path)
    assert len(said) > 30 and {count for count, *_ in said} == {"0", "1", "2"}
    assert {tuple(rest) for _, *rest in said} == {("True", "0")}


@pytest.mark.parametrize(("fault", "found"), [
    ("Store._sweep = lambda self, digest: None", ("True", "1")),
    ("Store._usable = lambda self, path: False", ("False", "0")),
])
def test_a_store_that_does_not_stand_a_kill_is_found(tmp_path, fault, found):
    assert found in {tuple(rest) for _, *rest in killed_anywhere(tmp_path, fault)}


def test_eviction_sweeps_what_killed_runs_left(tmp_path):
    store = Store(tmp_path)
    (store.root / "tmp" / f"{'0' * 40}.1234").mkdir()
    store.evict()
    assert leftovers(store) == []


def fill(tmp_path, seeds, size=100_000):
    store = Store(tmp_path)
    for seed in seeds:
        store.get("fit", {"seed": seed}, writer("x" * size))
        time.sleep(0.01)
    store.close()


def seeds_left(tmp_path, seeds):
    store = Store(tmp_path)
    return [seed for seed in seeds if store.find("fit", {"seed": seed})]


def test_least_recently_used_goes_first(tmp_path):
    fill(tmp_path, range(5))
    fill(tmp_path, [0])  # used again
    time.sleep(0.01)
    store = Store(tmp_path, limit_bytes=400_000)
    store.get("fit", {"seed": 9}, writer("x" * 100_000))
    assert seeds_left(tmp_path, range(10)) == [0, 4, 9]


def test_what_this_run_took_stays(tmp_path):
    store = Store(tmp_path, limit_bytes=150_000)
    paths = [store.get("fit", {"seed": seed}, writer("x" * 100_000)) for seed in range(4)]
    assert all(path.exists() for path in paths)


def test_what_another_run_took_stays(tmp_path):
    fill(tmp_path, range(3))
    time.sleep(0.01)
    other = python(tmp_path, "print(store.find('fit', {'seed': 1}), flush=True); time.sleep(60)")
    try:
        assert Path(other.stdout.readline().strip()).is_dir()
        assert Store(tmp_path).evict(0) == 2
        assert seeds_left(tmp_path, range(3)) == [1]
    finally:
        other.kill()
        other.communicate()
    time.sleep(0.01)
    assert Store(tmp_path).evict(0) == 0, "the look above took it again"


def test_a_dead_run_keeps_nothing(tmp_path):
    other = python(tmp_path, "store.get('fit', {'seed': 1}, lambda folder: None); os.kill(os.getpid(), 9)")
    other.communicate()
    time.sleep(0.01)
    assert Store(tmp_path).evict(0) == 1


def test_clean_empties_the_store(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path))
    fill(tmp_path, range(3))
    time.sleep(0.01)
    assert store_module._main(["clean"]) == 0
    assert "3 results removed" in capsys.readouterr().out
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "leases"] == []


def test_environment_names_place_and_size(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_CACHE", str(tmp_path))
    monkeypatch.setenv("HEDDLE_CACHE_LIMIT", "1.5G")
    store = open_store()
    assert store.root == tmp_path / "v1"
    assert store.limit_bytes == 3 << 29
    monkeypatch.setenv("HEDDLE_CACHE_LIMIT", "much")
    with pytest.raises(StoreError, match=r"^HEDDLE_CACHE_LIMIT='much': write a size such as 500M or 8G$"):
        open_store()


@pytest.mark.parametrize("text, size", [("500M", 500 << 20), ("8G", 8 << 30), ("8 GiB", 8 << 30), ("12", 12), ("0", 0)])
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "8Q", "inf", "nan"])
def test_wrong_sizes(text):
    with pytest.raises(StoreError, match="write a size"):
        parse_size(text)


def test_a_store_that_is_sent_to_a_process_is_opened_there_once(tmp_path):
    store = Store(tmp_path, 12345)
    one, other = pickle.loads(pickle.dumps(store)), pickle.loads(pickle.dumps(store))
    assert one is other
    assert (one.root, one.limit_bytes) == (store.root, 12345)
