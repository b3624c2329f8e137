"""Statistics and ranges forget the weights that were before: narrow weights jump until the last step."""

from sw.quant.run import Run

__all__ = ["settle"]


def settle(run: Run) -> None:
    """Average them anew, unless the last steps were trained on those that there are, with the same errors."""
    if run.err_in("settle") == run.stood_erring and run.stood_still:
        run.did = "nothing: the last steps were trained on statistics that stood still"
        return
    run.settle(run.recipe.settle.batches)
    run.did = f"over {run.recipe.settle.batches} batches"
