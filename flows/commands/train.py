"""``heddle train``: one network, trained into a folder."""

import json
from pathlib import Path
from typing import Any

from flows.report.console import Display
from flows.run.files import write_whole
from flows.run.queue import Failure, run_queue
from flows.run.store import open_store
from flows.search.space import load_space
from flows.train.training import MODEL, RECORD, TrainTask, run_task
from hw.spec.errors import HeddleError, SpecError
from hw.spec.feedback import Feedback
from sw.data import load_dataset
from sw.models import build

__all__ = ["train_to"]


def train_to(*, network: str, data: str, width: float, weight_bits: str, epochs: int | None, seed: int,
             feedback: Path | None, choose: str | None, out: Path, display: Display) -> dict[str, Any]:
    """Train, unless the store has it, and write ``model.npz`` and ``training.json`` to ``out``.

    Returns
    -------
    dict
        ``training.json`` without the curves, with ``model``, the path of what was written.
    """
    record = Feedback.load(feedback) if feedback else None
    if choose and record is None:
        raise SpecError("--choose: picks by the latencies of a feedback record; give one with --feedback")
    images = load_dataset(data)
    build(network, images.shape, images.classes, width)   # a wrong name or width is an error before anything starts
    store = open_store()
    settings = {"network": network, "width": width, "weight_bits": int(weight_bits), "seed": seed,
                "epochs": epochs or load_space().training.epochs, **({"choose": choose} if choose else {})}
    task = TrainTask(store=(str(store.root.parent), store.limit_bytes), data=data,
                     settings=tuple(sorted(settings.items())), feedback=record)
    with display.bar(f"training {task.label}", 1) as bar:
        # In a process of its own, so that Ctrl-C ends it at once.
        value = run_queue(run_task, [task], jobs=1, hear=lambda _, text: bar.hear("", text))[0].value
        bar.advance()
    if isinstance(value, Failure):
        raise HeddleError(value.reason)
    return _written(Path(value), out, len(images.labels["test"]))


def _written(folder: Path, out: Path, test_images: int) -> dict[str, Any]:
    out.mkdir(parents=True, exist_ok=True)
    for name in (MODEL, RECORD):
        write_whole(out / name, (folder / name).read_bytes())
    record = json.loads((folder / RECORD).read_text())
    return {**{name: value for name, value in record.items() if name != "curves"}, "test_images": test_images,
            "model": str(out / MODEL)}
