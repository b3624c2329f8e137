"""One cluster for all tests here: it takes seconds to start."""

import pytest

from tests.support.cluster import DaskProcesses


@pytest.fixture(scope="session")
def workers(tmp_path_factory):
    """A scheduler with two workers, each in a process of its own that is started again where it dies."""
    with DaskProcesses(tmp_path_factory.mktemp("dask")) as started:
        started.scheduler()
        started.worker("--nworkers", "2")
        yield started
