"""Statistics and ranges forget the weights that were before: narrow weights jump until the last step."""

from sw.quant.run import Run

__all__ = ["settle"]


def settle(run: Run) -> None:
    """Average them anew, unless the last steps were trained on those that there are."""
    if run.stood_still and run.feedback is None:
        run.did = "nothing: the last steps were trained on statistics that stood still"
        return
    run.err_in("settle")
    run.settle(run.recipe.settle.batches)
    run.did = f"over {run.recipe.settle.batches} batches"
