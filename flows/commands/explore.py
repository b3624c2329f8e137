"""``heddle explore``: the main job, and the folder that it leaves."""

from typing import Any

from flows.report.folder import claimed, write_results
from flows.search.job import Request, explore

__all__ = ["Request", "explore_to"]


def explore_to(request: Request) -> dict[str, Any]:
    """Run the job and write ``pareto.json``, ``points/``, ``study.db``, ``feedback.json`` and ``report.html``.

    Returns
    -------
    dict
        The content of ``pareto.json``.

    Raises
    ------
    HeddleError
        If the request is wrong, or no candidate meets it.
    """
    with claimed(request.out):
        return write_results(request.out, explore(request))
