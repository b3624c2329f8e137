"""What this executor has beside the suite of ``test_queue.py``."""

import os
import shutil
import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from flows.run import cluster as module
from flows.run.cluster import ClusterError, code, connected, difference
from flows.run.progress import listening
from flows.run.queue import run_queue
from flows.run.step import Step
from flows.run.store import Store
from tests.support.cluster import ROOT, DaskProcesses, wait_until
from tests.support.listener import Heard

SOURCES = ("boards", "cosim", "flows", "hw", "sw", "tests")


@dataclass(frozen=True, kw_only=True)
class Counted(Step[str]):
    """Notes each time that it is made, and where."""

    kind = "counted"
    name: str
    notes: str
    seconds: float

    def make(self, folder: Path, store: Store) -> None:
        (Path(self.notes) / f"begun-{self.name}-{os.getpid()}").touch()
        time.sleep(self.seconds)
        (folder / "name").write_text(self.name, encoding="utf-8")
        with (Path(self.notes) / "made").open("a", encoding="utf-8") as made:
            made.write(f"{self.name}\n")

    def load(self, folder: Path) -> str:
        return (folder / "name").read_text(encoding="utf-8")


def value(store, step):
    return step.value(store)


def steps(folder, names, seconds=0.5):
    return [Counted(name=name, notes=str(folder), seconds=seconds) for name in names]


def made(folder):
    return sorted((folder / "made").read_text(encoding="utf-8").split())


def begun(folder, name):
    return [int(path.name.rpartition("-")[2]) for path in folder.glob(f"begun-{name}-*")]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def own(tmp_path):
    """A scheduler for one test."""
    with DaskProcesses(tmp_path) as started:
        started.scheduler()
        yield started


def test_a_killed_worker_costs_no_result_and_nothing_is_made_twice(workers, store, tmp_path):
    workers.wait(2)
    tasks = steps(tmp_path, "abcdef")

    def kill():
        wait_until(lambda: begun(tmp_path, "b"), workers.processes[1])
        os.kill(begun(tmp_path, "b")[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with connected(workers.address, store):
        results = run_queue(partial(value, store), tasks, jobs=1, name=lambda step: step.name)
    killer.join()
    assert [item.value for item in results] == list("abcdef")
    assert made(tmp_path) == list("abcdef")
    assert len(begun(tmp_path, "b")) == 2 and len(begun(tmp_path, "a")) == 1
    assert [value(store, step) for step in tasks] == list("abcdef")
    assert (store.made, store.reused) == (0, 6)         # it is the user's store that they lie in


def test_workers_at_the_same_key_make_it_once(workers, store, tmp_path):
    """The other one waits."""
    workers.wait(2)
    tasks = steps(tmp_path, "ab", seconds=1)
    with connected(workers.address, store) as found:
        assert len(found.workers) == 2
        results = run_queue(partial(value, store), [task for task in tasks for _ in range(2)], jobs=1)
    assert [item.value for item in results] == list("aabb")
    assert made(tmp_path) == ["a", "b"]


@pytest.mark.slow
def test_workers_come_and_go(own, store, tmp_path):
    own.worker("--no-nanny")
    own.wait(1)
    tasks, heard = steps(tmp_path, "abc"), Heard()

    def exchange():
        wait_until(lambda: begun(tmp_path, "b"), own.processes[0])
        own.processes[1].kill()
        wait_until(lambda: heard.noted_, own.processes[0])
        own.worker("--no-nanny")

    other = threading.Thread(target=exchange)
    other.start()
    with listening(heard), connected(own.address, store):
        results = run_queue(partial(value, store), tasks, jobs=1, name=lambda step: step.name)
    other.join()
    assert [item.value for item in results] == list("abc")
    assert made(tmp_path) == list("abc")
    assert heard.noted_ == [f"cluster {own.address}: no worker is left; waiting for one"]


@pytest.mark.slow
def test_a_worker_of_other_sources_is_refused_and_one_that_comes_later_left_out(own, store, tmp_path):
    other, heard = tmp_path / "other", Heard()
    for name in SOURCES:
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, other / name)
    path = other / "hw" / "spec" / "presets.py"
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    line = "its sources of Heddle are not those here; start it from the same commit, after the last change"
    changed = own.worker("--no-nanny", root=other)
    own.wait(1)
    with pytest.raises(ClusterError, match=rf"^cluster {own.address}: worker tcp://127.0.0.1:\d+: {line}$"):
        with connected(own.address, store):
            raise AssertionError("connected")
    changed.kill()
    changed.wait()
    own.worker("--no-nanny")
    own.wait(1)
    with listening(heard), connected(own.address, store) as found:
        own.worker("--no-nanny", root=other)
        own.wait(2)
        assert [item.value for item in run_queue(partial(value, store), steps(tmp_path, "abc"), jobs=1)] == list("abc")
        assert len(found.workers) == 1
    note, = heard.noted_
    assert note.startswith("worker tcp://127.0.0.1:") and note.endswith(f" is left out: {line}")


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_a_line(own, store, tmp_path):
    own.worker("--no-nanny")
    own.wait(1)

    def stop():
        wait_until(lambda: begun(tmp_path, "b"), own.processes[0])
        own.processes[0].kill()

    other = threading.Thread(target=stop)
    other.start()
    with pytest.raises(ClusterError, match="the scheduler has gone; start it again and give the same command"):
        with connected(own.address, store):
            run_queue(partial(value, store), steps(tmp_path, "abcdefgh"), jobs=1)
    other.join()
    assert "a" in made(tmp_path)


def test_a_worker_whose_results_would_have_other_keys_is_refused(workers, store, monkeypatch):
    monkeypatch.setattr(module, "code", lambda: {**code(), "sources": "others"})
    workers.wait(2)
    with pytest.raises(ClusterError, match=r": worker tcp://127.0.0.1:\d+: its sources of Heddle are not those here"):
        with connected(workers.address, store):
            raise AssertionError("connected")


@contextmanager
def listener(answer):
    """Something that is no scheduler."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        if answer:
                            connection.sendall(answer)
            except OSError:
                return
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"])
def test_what_is_no_scheduler_is_a_line(answer, store, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 2.0)
    with listener(answer) as address, pytest.raises(ClusterError, match="no Dask scheduler answers there within 2 s"):
        with connected(address, store):
            raise AssertionError("connected")


@pytest.mark.parametrize("address", ["127.0.0.1:9", "tcp://nowhere.invalid:8786", "nonsense://x", "127.0.0.1", ""])
def test_where_nothing_answers_is_a_line(address, store, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 1.0)
    with pytest.raises(ClusterError, match=f"^cluster {address}: no Dask scheduler answers there"):
        with connected(address, store):
            raise AssertionError("connected")


def test_a_scheduler_without_workers_is_a_line(own, store, monkeypatch):
    monkeypatch.setattr(module, "WORKER_WAIT_S", 0.5)
    with pytest.raises(ClusterError, match=f"^cluster {own.address}: the scheduler has no worker; start `dask worker "):
        with connected(own.address, store):
            raise AssertionError("connected")


def test_a_worker_of_several_threads_is_refused(own, store):
    own.worker("--nthreads", "3", "--no-nanny")
    own.wait(1)
    with pytest.raises(ClusterError, match="it runs 3 tasks in one process; start it with --nthreads 1 --nworkers 3"):
        with connected(own.address, store):
            raise AssertionError("connected")


def of_2020(record):
    return {**record, "packages": {**record["packages"], "distributed": "2020.1.0"}}


OTHER_DASK = (r"distributed is 2020.1.0 there and [\d.]+ here; run `make setup` there at the same commit, and start it "
              r"again")


def test_a_scheduler_of_another_version_is_a_line(workers, store, monkeypatch):
    async def asked(address):
        identity, versions = await right(address)
        return identity, of_2020(versions)

    right = module._asked
    monkeypatch.setattr(module, "_asked", asked)
    with pytest.raises(ClusterError, match=f"^cluster {workers.address}: scheduler: {OTHER_DASK}$"):
        with connected(workers.address, store):
            raise AssertionError("connected")


def test_a_worker_of_another_version_is_a_line(workers, store, monkeypatch):
    from distributed import Client

    def get_versions(client):
        found = asked(client)
        return {**found, "workers": {name: of_2020(record) for name, record in found["workers"].items()}}

    asked = Client.get_versions
    workers.wait(2)
    monkeypatch.setattr(Client, "get_versions", get_versions)
    with pytest.raises(ClusterError, match=rf"^cluster {workers.address}: worker tcp://127.0.0.1:\d+: {OTHER_DASK}$"):
        with connected(workers.address, store):
            raise AssertionError("connected")


def test_the_address_of_a_worker_is_a_line(workers, store):
    workers.wait(2)
    with connected(workers.address, store) as found:
        worker = found.workers[0]
    with pytest.raises(ClusterError, match=f"^cluster {worker}: a Dask worker answers there; give the address that "):
        with connected(worker, store):
            raise AssertionError("connected")


def test_a_store_that_workers_do_not_share_is_a_line(workers, store, monkeypatch):
    @contextmanager
    def elsewhere(store):
        yield Path("/nowhere/v1/locks/probe")

    workers.wait(2)
    monkeypatch.setattr(module, "_probe", elsewhere)
    with pytest.raises(ClusterError, match="it does not see the store /nowhere; share that folder with all workers"):
        with connected(workers.address, store):
            raise AssertionError("connected")


def test_locks_that_do_not_reach_workers_are_a_line(workers, store, monkeypatch):
    @contextmanager
    def open_to_all(store):
        path = store.root / "locks" / "probe"
        path.touch()
        yield path

    workers.wait(2)
    monkeypatch.setattr(module, "_probe", open_to_all)
    with pytest.raises(ClusterError, match="locks do not reach it in the store .*; mount that folder with locks"):
        with connected(workers.address, store):
            raise AssertionError("connected")


def test_a_store_that_may_not_be_written_is_a_line(store, monkeypatch):
    path = store.root / "locks" / "probe"
    path.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert module._store_line(path).startswith(f"it may not write to the store {store.root.parent}; let it")


def test_a_shared_store_with_locks_is_right_and_nothing_is_left_in_it(store):
    before = list((store.root / "locks").iterdir())
    with module._probe(store) as probe:
        assert module._store_line(probe) == ""
        assert FileLock(f"{probe}.other").lock_file      # another lock is free
    assert list((store.root / "locks").iterdir()) == before


def test_what_differs_is_named_with_both_values():
    here = code()
    assert difference(here, here) == ""
    assert difference(here, {**here, "libraries": {**here["libraries"], "numpy": "1.0"}}).startswith(
        f"numpy is 1.0 there and {here['libraries']['numpy']} here; run `make setup` there")
    assert difference(here, {**here, "tools": {**here["tools"], "g++": ""}}).startswith("g++ is missing there and ")
    native = {**here["tools"], "nextpnr-ecp5": "native 0.7"}
    packaged = here["tools"]["nextpnr-ecp5"]
    assert difference(here, {**here, "tools": native}) == (
        f"nextpnr-ecp5 is native 0.7 there and {packaged} here; have the same on the PATH there, or set "
        f"HEDDLE_TOOLS=packaged there and here, and start it again")
    assert difference({**here, "tools": native}, here).startswith(
        f"nextpnr-ecp5 is {packaged} there and native 0.7 here; have the same ")
    assert difference(here, {**here, "python": "3.9"}).startswith("python is 3.9 there and 3.1")
    assert difference(here, {**here, "torch": {**here["torch"], "instructions": "DEFAULT"}}).startswith(
        "instructions is DEFAULT there and ")
    assert difference(here, {**here, "sources": "x"}).startswith("its sources of Heddle are not those here")


def test_sources_are_all_files_but_those_that_python_or_an_editor_left(tmp_path):
    for name in ("flows/run/a.py", "sw/firmware/b.c", "hw/c.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    first = module._sources(tmp_path)
    for name in ("flows/run/__pycache__/a.pyc", "flows/run/.a.py.swp", "flows/run/a.py~"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert module._sources(tmp_path) == first
    (tmp_path / "sw/firmware/b.c").write_text("y", encoding="utf-8")
    assert module._sources(tmp_path) != first
