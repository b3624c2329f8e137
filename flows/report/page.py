"""``report.html``: one page that works without a network, from the record of an exploration."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from boards import find_board
from flows.report import figures
from flows.report.document import Charts, section, table, whole
from flows.report.picture import network_svg
from flows.report.rivals import rivals_svg
from flows.report.text import printable
from flows.run.files import write_json, write_whole
from flows.run.typed import from_plain, to_plain
from flows.search.job import Exploration
from flows.search.pareto import most_accurate
from flows.search.point import Measurement, Metrics, Point
from flows.search.trainings import Comparison
from flows.search.ways import Way, within_half_a_point
from hw.spec.errors import HeddleError

__all__ = ["RECORD", "ReportError", "page", "save_record", "write_report"]

RECORD = "run.json"      # what an exploration leaves for its report
FORMAT = 6
METRICS = (("valid_accuracy", "valid accuracy", "{:.4f}"), ("accuracy", "test accuracy", "{:.4f}"),
           ("test_interval", "95% interval", "{:.3f}"), ("cycles", "engine cycles", "{:,}"),
           ("cpu_cycles", "CPU cycles", "{:,}"), ("latency_s", "latency, µs", "{:,.2f}"),
           ("clock_mhz", "clock, MHz", "{:.1f}"), ("fmax_mhz", "Fmax, MHz", "{:.1f}"), ("lut", "LUT", "{:,}"),
           ("ff", "FF", "{:,}"), ("dsp", "DSP", "{:,}"), ("bram", "BRAM", "{:,}"),
           ("energy_j", "energy, µJ *", "{:.2f}"))
ACCURACIES = ("valid_accuracy", "accuracy", "test_interval")     # what is known where there is data
UNITS = {"latency_s": 1e6, "energy_j": 1e6}


class ReportError(HeddleError, ValueError):
    """There is nothing to report on; the message names the folder."""


def save_record(path: Path, found: Exploration) -> None:
    """Write what :func:`write_report` reads."""
    write_json(path, {"format": FORMAT, **to_plain(found)})


def write_report(folder: Path) -> Path:
    """Write ``folder/report.html`` from the record that an exploration left there.

    Raises
    ------
    ReportError
        If there is no such record, or not of this version.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReportError(f"{folder}: no {RECORD}; give the folder of a `heddle explore --out`") from error
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: cannot be read ({error}); run `heddle explore` again") from error
    if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
        raise ReportError(f"{path}: written by another version of Heddle; run `heddle explore` again")
    try:
        found = from_plain(Exploration, record, where=str(path))
    except HeddleError as error:
        raise ReportError(f"{error}; run `heddle explore` again") from error
    return write_whole(folder / "report.html", page(found))


def page(found: Exploration) -> str:
    """The whole page; the same exploration gives the same bytes."""
    builder = Charts()
    measured = [point for point in found.points if point.measurement]
    body = "".join((
        _head(found, measured), _ways(builder, found.ways), _front(builder, found), _seeds(measured),
        _measured(measured), _networks(measured), _layers(builder, measured), _resources(builder, measured),
        _verification(measured),
        *(() if found.model else (_training(builder, found), _feedback(builder, found.comparison))),
        _failures(found), _provenance(found)))
    return whole(f"Heddle: {_task(found)}", body, builder)


def _task(found: Exploration) -> str:
    return f"{found.task} on {', '.join(found.space.hardware.boards)}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def value(metrics: Metrics, name: str, form: str) -> str:
    shown = getattr(metrics, name)
    if shown is None:
        return "–"
    if isinstance(shown, tuple):
        return " to ".join(map(form.format, shown))
    return form.format(shown * UNITS[name] if name in UNITS else shown)


def _head(found: Exploration, measured: Sequence[Point]) -> str:
    points = found.points
    best = measured or points
    tiles = [(f"{found.looked:,}", "candidates looked at"), (f"{len(points)}", "points in the front"),
             (f"{len(measured)}", "of them simulated and routed")]
    if best:
        top = most_accurate(best).metrics
        if top.test_interval:
            low, high = top.test_interval
            tiles += [(f"{top.accuracy:.2%}", f"test accuracy, {low:.1%} to {high:.1%}, of the best on validation")]
        tiles += [(f"{1e6 * min(point.metrics.latency_s for point in best):,.1f} µs", "shortest latency"),
                  (f"{min(point.metrics.lut for point in best):,}", "least LUTs, SoC included")]
    links = (*([("ways", "Ways")] if found.ways else ()), ("front", "Front"),
             *([("seeds", "Seeds")] if any(point.repeats for point in measured) else ()),
             ("networks", "Networks"), ("layers", "Layers"),
             ("resources", "Resources"), ("verification", "Verification"),
             *(() if found.model else (("training", "Training"), ("feedback", "Feedback"))),
             ("failures", "Failures"), ("provenance", "Versions"))
    return (f"<h1>{escape(_task(found))}</h1><p class='muted'>{_said_of_data(found)} Latency is that of the "
            f"engine, from start to done, and of the layers that the CPU runs; the table of verification has the whole "
            f"SoC's cycles.</p><nav>"
            + "".join(f'<a href="#{name}">{title}</a>' for name, title in links) + '</nav><div class="tiles">'
            + "".join(f'<div class="tile"><b>{number}</b><span>{what}</span></div>' for number, what in tiles)
            + "</div>")


def _said_of_data(found: Exploration) -> str:
    data = found.data
    if data is None:
        return ("The model was given and no data: hardware was searched for it, and nothing is known of its accuracy, "
                "which exact products do not change.")
    return (f"Inputs of {'×'.join(map(str, data.shape))}, {data.classes} classes; accuracies are of the integer "
            f"arithmetic that the hardware runs. The {data.counts['valid']} validation inputs chose the front and all "
            f"that is called best; the {data.counts['test']} test inputs chose nothing, and what they gave is shown "
            f"with its 95% interval (Wilson's score).")


def _front(builder: Charts, found: Exploration) -> str:
    points = sorted(found.points, key=lambda point: -(point.metrics.valid_accuracy or 0))
    names = {point.id for point in points}
    others = [trial for trial in found.trials if trial.id not in names and trial.feasible]
    shown = METRICS if found.data else [each for each in METRICS if each[0] not in ACCURACIES]
    rows = [(_code(point.id),
             '<span class="ok">measured</span>' if point.measurement else "estimated",
             *(value(point.metrics, name, form) for name, _, form in shown)) for point in points]
    axes = ("Up and to the left is better" if found.data else "Down and to the left is better, which is less logic and "
            "less time")
    chosen = (" The front was chosen by accuracy on the validation split and is shown by accuracy on the test split, "
              "so a point may lie below others; bars are 95% intervals." if found.data else "")
    return section(
        "front", "Pareto front",
        f"{axes}; darker points take more logic. Diamonds were simulated bit-exactly, routed and packed; circles are "
        f"exact in engine cycles and accuracy and estimated in CPU cycles, logic and Fmax.{chosen}",
        builder.chart(figures.front_figure(points, others)),
        table(("point", "fidelity", *(title for _, title, _ in shown)), rows),
        '<p class="muted">* from a model of activity and published figures of the device; nothing was metered. '
        "Estimated LUTs are scaled by what the measured points took more or less than estimated.</p>")


def _ways(builder: Charts, ways: Sequence[Way]) -> str:
    if not ways:
        return ""
    rows = []
    for way, small in zip(ways, within_half_a_point([way.points for way in ways]), strict=True):
        top = most_accurate(way.points).metrics if way.points else None
        rows.append((escape(way.name), _code(way.fixed), str(len(way.points)),
                     f"{top.valid_accuracy:.4f}" if top else "–", f"{top.accuracy:.4f}" if top else "–",
                     f"{1e3 * small.metrics.latency_s * small.metrics.lut:,.1f}" if small else "–",
                     f"{small.metrics.accuracy:.4f}" if small else "–", _code(small.id) if small else "–"))
    return section(
        "ways", "Together, or one after the other",
        "The same trained networks, three ways: both halves at once; the most accurate network first, then hardware "
        "for it; or first the accelerator that suits the networks of the space best, then networks for it. A line is "
        "the best accuracy that a way gives for so much time and logic; where the joint line is alone, the others "
        "found nothing. Logic is estimated in all three.", builder.chart(figures.ways_figure(ways)),
        table(("way", "decided first", "points", "best valid", "its test", "least µs x kLUT*", "its test", "which"),
              rows), '<p class="muted">* of points within half a point of accuracy, on valid, of the best that all '
        'three reach.</p>')


def _seeds(measured: Sequence[Point]) -> str:
    rows = [(_code(point.id), f"{found.count}", f"{found.mean:.4f}", f"{found.lowest:.4f}", f"{found.highest:.4f}",
             ", ".join(f"{repeat.accuracy:.4f}" for repeat in point.repeats))
            for point in measured if (found := point.over_seeds)]
    return section(
        "seeds", "The same networks from other seeds",
        "Accuracy on the test split of trainings that differ in nothing but their seed; the first is the point's own. "
        "Nothing was chosen by them.", table(("point", "seeds", "mean", "lowest", "highest", "each"), rows)) \
        if rows else ""


def _measured(measured: Sequence[Point]) -> str:
    shown = [(name, title, form) for name, title, form in METRICS
             if name in ("cycles", "cpu_cycles", "fmax_mhz", "lut", "ff", "dsp", "bram")]
    rows = [(_code(point.id), *(_change(point, name, form) for name, _, form in shown)) for point in measured]
    return section(
        "estimates", "Estimate against measurement",
        "What the search assumed of the measured points, what routing and simulation gave, and the difference.",
        table(("point", *(title for _, title, _ in shown)), rows)) if rows else ""


def _change(point: Point, name: str, form: str) -> str:
    before, after = getattr(point.estimate, name), getattr(point.metrics, name)
    if not before or after is None:
        return "–"
    return (f"{value(point.estimate, name, form)} → {value(point.metrics, name, form)} "
            f"<span class='muted'>{(after - before) / before:+.1%}</span>")


def _measurements(points: Sequence[Point]) -> list[tuple[Point, Measurement]]:
    return [(point, point.measurement) for point in points if point.measurement]


def _networks(measured: Sequence[Point]) -> str:
    header = ("layer", "op", "shape", "runs on", "why", "MAC", "weights, bytes", "engine cycles",
              "CPU cycles, estimated")
    parts: list[str] = []
    for point, measurement in _measurements(measured):
        found = measurement.assignment
        rows = [(_code(printable(duty.name)), escape(duty.function or duty.op), "×".join(map(str, duty.shape)),
                 duty.runner or "–", escape(printable(duty.why)), _count(duty.macs or None),
                 _count(duty.weight_bytes or None), _count(duty.engine_cycles), _count(duty.estimated_cpu_cycles))
                for duty in found.duties]
        title = f"{point.candidate.network.id} on {point.built.label}"
        parts.append(f"<details{'' if parts else ' open'}><summary>{_code(point.id)}</summary>"
                     f"{table(header, rows, text=(3, 4))}"
                     f'<div class="picture">{network_svg(found, title)}</div></details>')
    return section(
        "networks", "Who runs what",
        "Each layer of the measured networks, who runs it and why. The engine's cycles are exact, the CPU's are "
        "estimated and in no other figure of this page.", *parts) if parts else ""


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _layers(builder: Charts, measured: Sequence[Point]) -> str:
    parts = []
    for point, measurement in _measurements(measured):
        rate = sum(layer.macs for layer in measurement.layers) / point.metrics.cycles
        parts.append(f"<h3>{_code(point.id)} <span class='muted'>{rate:.1f} of {point.built.macs_per_cycle} "
                     f"multiply-accumulates per cycle over the whole network</span></h3>"
                     + builder.chart(figures.layers_figure(measurement.layers)))
    return section(
        "layers", "Cycles of each layer against the roofline",
        "The engine's own counters beside the least cycles that the multipliers, the requantizers or the scratchpads' "
        "ports allow.", *parts)


def _resources(builder: Charts, measured: Sequence[Point]) -> str:
    chart = builder.chart(figures.resources_figure(measured)) if measured else ""
    rows = [(_code(point.id), escape(point.built.board),
             *(f"{getattr(point.metrics, kind):,} / {find_board(point.built.board).budget[kind]:,}"
               for kind in ("lut", "ff", "dsp", "bram")),
             f"{point.metrics.clock_mhz:.1f}", f"{point.metrics.fmax_mhz:.1f}", str(measurement.seed))
            for point, measurement in _measurements(measured)]
    header = ("point", "board", "LUT", "FF", "DSP", "BRAM", "clock, MHz", "Fmax, MHz", "seed")
    return section("resources", "Resources against the board's budget",
                    "The whole SoC: CPU, firmware memory, engine.", chart, table(header, rows))


def _verification(measured: Sequence[Point]) -> str:
    rows = [(_code(point.id), check.level, f"{check.inputs}",
             f'<span class="{"bad" if check.mismatches else "ok"}">{check.mismatches}</span>',
             f"{check.engine_cycles:,}", f"{check.predicted_cycles:,}",
             f"{check.cycles:,}" if check.level == "soc" else "–")
            for point, measurement in _measurements(measured) for check in measurement.checks]
    header = ("point", "level", "inputs", "mismatches", "engine cycles", "predicted", "SoC cycles")
    return section(
        "verification", "Verification",
        "Every output of every input is compared with the golden model, and the engine's cycle counter with the "
        "prediction. SoC cycles are the firmware's, from input in memory to output in memory.", table(header, rows))


def _training(builder: Charts, found: Exploration) -> str:
    parts = []
    for network in sorted({training.config.network for training in found.trainings}):
        chart = builder.chart(figures.curves_figure(found.trainings, network))
        parts.append(f"<div><h3>{escape(network)}</h3>{chart}</div>")
    return section("training", "Training", "Accuracy while training, quantized in the forward pass. Colour: weight "
                    "bits; dashes: width.", f'<div class="pair">{"".join(parts)}</div>')


def _feedback(builder: Charts, comparison: Comparison | None) -> str:
    title = "Feedback from hardware to training"
    if not comparison:
        return section("feedback", title, "Every multiplier of this space is exact: there is no error to train with.")
    noise, rivals = comparison.profile, comparison.rivals
    low, high = rivals.effect.interval
    said = (f"{escape(rivals.feedback)} over {escape(rivals.rival)}, each the best of its kind on the validation "
            f"split: mean difference <b>{rivals.effect.difference:+.2%}</b>, 95% interval {low:+.2%} to {high:+.2%} "
            f"over {len(rivals.seeds)} paired seeds. <b>{rivals.verdict}. {escape(rivals.effect.conclusion)}</b>")
    ways = [(escape(way.name), f"{way.valid_accuracy:.4f}", f"{way.test_accuracy:.4f}",
             ", ".join(f"{value:.4f}" for value in way.by_seed), f"{way.seconds:.0f}") for way in rivals.ways]
    return section(
        "feedback", title,
        f"The RTL of the multiplier {_code(noise.multiplier)} ran over {noise.pairs:,} operand pairs "
        f"({escape(noise.simulator)}); its errors were in the forward pass. Network: "
        f"{escape(rivals.network)}, {rivals.without_errors:.4f} on exact products.",
        f"<p>{said}</p>", '<div class="pair"><div>', rivals_svg(rivals),
        "</div><div>", builder.chart(figures.noise_figure(noise)), "</div></div>",
        table(("way", "valid", "test", "test by seed", "seconds"), ways, text=(3,)))


def _failures(found: Exploration) -> str:
    rows = [(_code(item.id), escape(item.doing), escape(item.reason)) for item in found.failures]
    over = sum(bool(trial.violations) for trial in found.trials)
    body = table(("point", "while", "reason"), rows, text=(1, 2)) if rows else "<p>No point failed.</p>"
    return section("failures", "What failed", f"Failures are never counted as results. {over} candidates exceeded a "
                    f"limit and could not enter the front.", body)


def _provenance(found: Exploration) -> str:
    asked = {name: limit for name, limit in asdict(found.requirement).items() if limit is not None}
    rows = [("model", escape(found.model))] if found.model else []
    if data := found.data:
        counts = ", ".join(f"{count} {name}" for name, count in data.counts.items())
        rows += [("data", f"{data.name}, {counts} inputs; stratified split with seed {data.seed}; "
                  f"SHA-256 {data.digest[:16]}…")]
    rows += [("required", ", ".join(f"{name} {limit:g}" for name, limit in asked.items()) or "nothing"),
             ("space", _code(json.dumps(asdict(found.space))))]
    rows += [(name, escape(version)) for name, version in found.versions.items()]
    return section("provenance", "Versions, seeds, split", "What made these numbers.",
                    table(("what", "which"), rows, text=(1,)))
