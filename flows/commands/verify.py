"""``heddle verify``: a model on the generated hardware, every output and every cycle compared."""

from pathlib import Path
from typing import Any

from flows.run.store import Store, open_store
from flows.train.model import load_model
from flows.verify.inputs import choose_inputs, vectors_beside
from flows.verify.ladder import check_level, verify
from hw.soc.target import load_target

__all__ = ["verify_model"]


def verify_model(model: str, design: str, board: str | None = None, *, level: str = "engine", inputs: int = 32,
                 inputs_from: Path | None = None, trace: Path | None = None,
                 store: Store | None = None) -> dict[str, Any]:
    """The document of ``heddle verify``; ``first_mismatch`` is None exactly where all is as predicted.

    Inputs come from ``inputs_from``, else from ``NAME_vectors.npz`` beside the model, else from a seed; at most
    ``inputs`` of them.

    Raises
    ------
    HeddleError
        If something is unknown, does not fit, or a tool fails.
    """
    check_level(level)
    point, chosen = load_target(design, board)
    loaded = load_model(model, weight_bits=point.weight_bits)
    beside = vectors_beside(loaded.path)
    given, outputs = choose_inputs(loaded.graph, inputs_from or (beside if beside.is_file() else None), inputs)
    return verify(loaded.graph, point, level=level, inputs=given, outputs=outputs,
                  board=chosen, store=store or open_store(), trace=trace,
                  model=model, design_name=design).document()
