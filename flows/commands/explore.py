"""``heddle explore``: the main job, and the folder that it leaves."""

from contextlib import nullcontext
from typing import Any

from flows.report.folder import claimed, write_results
from flows.report.recording import recording
from flows.run.cluster import connected
from flows.run.store import open_store
from flows.search.job import Request, explore

__all__ = ["Request", "explore_to"]


def explore_to(request: Request, *, cluster: str | None = None) -> dict[str, Any]:
    """Run the job and write ``pareto.json``, ``points/``, ``study.db``, ``feedback.json`` and ``report.html``; while it
    goes on, ``progress.json``.

    Parameters
    ----------
    cluster
        Address of a Dask scheduler, whose workers do what processes of this machine do without it.

    Returns
    -------
    dict
        The content of ``pareto.json``.

    Raises
    ------
    HeddleError
        If the request is wrong, no candidate meets it, or the cluster cannot be used.
    """
    with (claimed(request.out), recording(request.out, _asked(request)),
          connected(cluster, open_store()) if cluster else nullcontext()):
        return write_results(request.out, explore(request))


def _asked(request: Request) -> str:
    """What a run is about, in short."""
    data = request.data or (None if request.model else "digits")
    return " on ".join(filter(None, (request.model, data, request.design)))
