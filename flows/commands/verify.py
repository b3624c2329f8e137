"""``heddle verify``: a model on the generated hardware, every output and every cycle compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flows.run.progress import note
from flows.run.store import Store, open_store
from flows.train.accuracy import multiplier_of
from flows.train.data import DataSource
from flows.train.model import correct_model, load_model
from flows.verify.inputs import choose_inputs, vectors_beside
from flows.verify.ladder import check_level, verify
from flows.verify.netlist import NetlistRung
from hw.soc.target import load_target
from hw.spec.errors import SpecError
from sw.data.sources import waveforms_of
from sw.golden import run
from sw.golden.waveform import hearing
from sw.graph.graph import Graph

__all__ = ["verify_model"]

INPUTS, ROUTED_INPUTS = 32, 1       # where nobody says how many; a routed SoC takes the board's time to receive one


def verify_model(model: str, design: str, board: str | None = None, *, level: str = "engine", inputs: int | None = None,
                 inputs_from: Path | None = None, data: str | None = None, begin: str = "input",
                 correct: str | None = None, trace: Path | None = None, port: str | None = None,
                 clock_mhz: float | None = None, store: Store | None = None) -> dict[str, Any]:
    """The document of ``heddle verify``; ``first_mismatch`` is None exactly where all is as predicted.

    Inputs come from ``inputs_from``, from the test split of ``data``, else from ``NAME_vectors.npz`` beside the model,
    else from a seed; at most ``inputs`` of them. With ``begin="waveform"`` they are the recordings of ``data``, and the
    network's features of them are computed first, by the firmware on the SoC.

    Outputs beside the inputs are what the model must answer; where they are those of exact products, and the design's
    multiplier errs, a note says that its own products are compared instead.

    At level ``board`` they run on a real one, whose UART is the serial ``port``; at level ``netlist`` on what
    ``heddle build`` routes for this clock.

    With ``correct`` the biases are corrected first, see ``flows.train.model.correct_model``.

    Raises
    ------
    HeddleError
        If something is unknown, does not fit, or a tool fails.
    """
    check_level(level)
    if port and level != "board":
        raise SpecError(f"--port: level {level!r} is simulated; add --level board, or leave it out")
    if clock_mhz and level != "netlist":
        raise SpecError(f"--clock-mhz: level {level!r} has no clock in MHz; add --level netlist, or leave it out")
    inputs = inputs or (ROUTED_INPUTS if level == "netlist" else INPUTS)
    point, chosen = load_target(design, board)
    store = store or open_store()
    rung = NetlistRung(store, point, chosen, clock_mhz=clock_mhz) if level == "netlist" else None
    loaded = load_model(model, weight_bits=point.weight_bits)
    original = loaded.graph
    if correct:
        loaded = correct_model(loaded, point, correct)
    graph, outputs = loaded.graph, None
    if data and inputs_from:
        raise SpecError("--data and --inputs-from: both say where the inputs come from; leave one out")
    if data or begin != "input":
        graph, given = _of_data(graph, data or "", begin, inputs)
    else:
        beside = vectors_beside(loaded.path)
        given, outputs = choose_inputs(graph, inputs_from or (beside if beside.is_file() else None), inputs)
        if outputs and multiplier_of(point) != "exact" and _exact(original, given, outputs):
            note(f"the outputs of {inputs_from or beside} are those of exact products; {point.label} is compared with "
                 f"golden's, multiplier={point.multiplier!r}")
            outputs = None
    return verify(graph, point, level=level, inputs=given, outputs=outputs,
                  board=chosen, store=store, trace=trace, port=port, rung=rung,
                  model=model, design_name=design).document()


def _exact(graph: Graph, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> bool:
    """Whether outputs are what exact products give."""
    tensors = run(graph, inputs)
    return all(np.array_equal(tensors[number], each) for number, each in zip(graph.answers, outputs, strict=True))


def _of_data(graph: Graph, source: str, begin: str, count: int) -> tuple[Graph, list[np.ndarray]]:
    """What is verified, and its inputs: the first of the test split."""
    if not source:
        raise SpecError("--from waveform: recordings of which data? add --data wav:DIR,features=40")
    found = DataSource.of(source).load()
    if begin == "input":
        return graph, [found.quantized("test", graph.input)[:count]]
    if not found.spec:
        raise SpecError(f"--from waveform: {source!r} has no front end; add features=40, or as many as it was trained "
                        f"with")
    waves = DataSource.of(waveforms_of(source)).load().inputs["test"][:count]
    return hearing(graph, found.spec, waves.shape[1]), [waves.reshape(len(waves), 1, 1, -1)]
