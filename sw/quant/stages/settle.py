"""Statistics and ranges forget the weights that were before: narrow weights jump until the last step."""

from sw.quant.run import Run

__all__ = ["settle"]


def settle(run: Run) -> None:
    run.err_in("settle")
    run.settle(run.recipe.settle.batches)
    run.did = f"over {run.recipe.settle.batches} batches"
