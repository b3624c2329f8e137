"""``report.html``: one page that works without a network, from the record of an exploration."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from flows.report import figures
from flows.run.files import write_whole
from hw.spec.errors import HeddleError

__all__ = ["RECORD", "ReportError", "page", "write_report"]

RECORD = "run.json"      # what an exploration leaves for its report
FORMAT = 1
Record = Mapping[str, Any]
STYLE = """
:root{--ink:#1f2430;--muted:#6b7280;--line:#e5e7eb;--soft:#f6f7f9;--blue:#2a6fdb;--orange:#c4501d;--green:#14805f}
*{box-sizing:border-box}
body{margin:0;background:var(--soft);color:var(--ink);font:15px/1.55 system-ui,"Segoe UI",sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 20px 80px}
h1{font-size:28px;margin:0 0 4px}h2{font-size:20px;margin:0 0 4px}h3{font-size:15px;margin:20px 0 0}
p{margin:4px 0 12px;max-width:84ch}.muted{color:var(--muted)}
section{background:#fff;border:1px solid var(--line);border-radius:10px;padding:20px 22px;margin-top:18px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;margin-top:18px}
.tile{background:#fff;border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:24px;line-height:1.2}.tile span{color:var(--muted);font-size:13px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;margin:8px 0}
th,td{padding:5px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap;
font-variant-numeric:tabular-nums}
th{color:var(--muted);font-weight:600}th:first-child,td:first-child{text-align:left}td.text,th.text{text-align:left}
td.wrap{white-space:normal;text-align:left;overflow-wrap:anywhere}
.ok{color:var(--green);font-weight:600}.bad{color:var(--orange);font-weight:600}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px}
.pair>div{min-width:0}
code{background:var(--soft);padding:1px 4px;border-radius:4px;font-size:12px}nav a{margin-right:14px;color:var(--blue)}
"""
SCRIPT = """
for (const each of document.querySelectorAll("script[type='application/json'][data-for]")) {
  const figure = JSON.parse(each.textContent), node = document.getElementById(each.dataset.for);
  Plotly.newPlot(node, figure.data, figure.layout, {responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ["lasso2d", "select2d"]});
}
"""
METRICS = (("accuracy", "accuracy", "{:.4f}"), ("cycles", "cycles", "{:,}"),
           ("latency_s", "engine latency, µs", "{:,.2f}"),
           ("clock_mhz", "clock, MHz", "{:.1f}"), ("fmax_mhz", "Fmax, MHz", "{:.1f}"), ("lut", "LUT", "{:,}"),
           ("ff", "FF", "{:,}"), ("dsp", "DSP", "{:,}"), ("bram", "BRAM", "{:,}"),
           ("energy_j", "energy, µJ *", "{:.2f}"))
UNITS = {"latency_s": 1e6, "energy_j": 1e6}


class ReportError(HeddleError, ValueError):
    """There is nothing to report on; the message names the folder."""


def write_report(folder: Path) -> Path:
    """Write ``folder/report.html`` from the record that an exploration left there.

    Raises
    ------
    ReportError
        If there is no such record, or not of this version.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ReportError(f"{folder}: no {RECORD}; give the folder of a `heddle explore --out`") from error
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: cannot be read ({error}); run `heddle explore` again") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ReportError(f"{path}: written by another version of Heddle; run `heddle explore` again")
    try:
        text = page(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReportError(f"{path}: damaged ({type(error).__name__}: {error}); run `heddle explore` again") from error
    return write_whole(folder / "report.html", text)


def page(record: Record) -> str:
    """The whole page; the same record gives the same bytes."""
    from plotly.offline import get_plotlyjs

    builder = _Page()
    measured = [point for point in record["points"] if point["fidelity"] == "measured"]
    body = "".join((
        _head(record, measured), _front(builder, record), _measured(measured), _layers(builder, measured),
        _resources(builder, measured), _verification(measured), _training(builder, record),
        _feedback(builder, record["feedback"]), _failures(record), _provenance(record)))
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<title>Heddle: {escape(_task(record))}</title>'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
            f"<script>{get_plotlyjs()}</script></head>\n<body><main>{body}</main>{builder.data}"
            f"<script>{SCRIPT}</script></body></html>\n")


class _Page:
    """Collects the figures' data."""

    def __init__(self) -> None:
        self.data, self.count = "", 0

    def chart(self, figure: figures.Figure) -> str:
        """A place for the figure in the text."""
        self.count += 1
        name = f"figure-{self.count}"
        text = json.dumps(figure, separators=(",", ":")).replace("<", "\\u003c")
        self.data += f'<script type="application/json" data-for="{name}">{text}</script>'
        return f'<div id="{name}" style="min-height:{figure["layout"]["height"]}px"></div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[int] = ()) -> str:
    """An HTML table; cells are HTML already. Columns in ``text`` are aligned to the left and may wrap."""
    head = "".join(f'<th class="text">{cell}</th>' if index in text else f"<th>{cell}</th>"
                   for index, cell in enumerate(header))
    body = "".join("<tr>" + "".join(f'<td class="wrap">{cell}</td>' if index in text else f"<td>{cell}</td>"
                                    for index, cell in enumerate(row)) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(name: str, title: str, lead: str, *parts: str) -> str:
    return f'<section id="{name}"><h2>{title}</h2><p class="muted">{lead}</p>{"".join(parts)}</section>'


def _task(record: Record) -> str:
    return f"{record['data']['name']} on {', '.join(record['space']['hardware']['boards'])}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def value(metrics: Record, name: str, form: str) -> str:
    if metrics.get(name) is None:
        return "–"
    return form.format(metrics[name] * UNITS[name] if name in UNITS else metrics[name])


def _head(record: Record, measured: Sequence[Record]) -> str:
    data, points = record["data"], record["points"]
    best = measured or points
    tiles = [(f"{len(record['trials']):,}", "candidates looked at"), (f"{len(points)}", "points in the front"),
             (f"{len(measured)}", "of them simulated and routed")]
    if best:
        tiles += [(f"{max(point['metrics']['accuracy'] for point in best):.2%}", "best integer accuracy"),
                  (f"{1e6 * min(point['metrics']['latency_s'] for point in best):,.1f} µs", "shortest engine latency"),
                  (f"{min(point['metrics']['lut'] for point in best):,}", "least LUTs, SoC included")]
    links = (("front", "Front"), ("layers", "Layers"), ("resources", "Resources"), ("verification", "Verification"),
             ("training", "Training"), ("feedback", "Feedback"), ("failures", "Failures"), ("provenance", "Versions"))
    return (f"<h1>{escape(_task(record))}</h1><p class='muted'>{data['counts']['test']} test images of "
            f"{'×'.join(map(str, data['shape']))}, {data['classes']} classes; accuracies are of the integer "
            f"arithmetic that the hardware runs, on these images, which also choose the front: expect a little less on "
            f"others. Latency is the engine's, from start to done; the table of verification has the whole SoC's "
            f"cycles.</p><nav>"
            + "".join(f'<a href="#{name}">{title}</a>' for name, title in links) + '</nav><div class="tiles">'
            + "".join(f'<div class="tile"><b>{number}</b><span>{what}</span></div>' for number, what in tiles)
            + "</div>")


def _front(builder: _Page, record: Record) -> str:
    points = sorted(record["points"], key=lambda point: -point["metrics"]["accuracy"])
    names = {point["id"] for point in points}
    others = [trial for trial in record["trials"]
              if trial["id"] not in names and trial["metrics"] and not trial["violations"]]
    rows = [(_code(point["id"]),
             '<span class="ok">measured</span>' if point["fidelity"] == "measured" else "estimated",
             *(value(point["metrics"], name, form) for name, _, form in METRICS)) for point in points]
    return _section(
        "front", "Pareto front",
        "Up and to the left is better; darker points take more logic. Diamonds were simulated bit-exactly, routed and "
        "packed; circles are exact in cycles and accuracy and estimated in logic and Fmax.",
        builder.chart(figures.front_figure(points, others)),
        table(("point", "fidelity", *(title for _, title, _ in METRICS)), rows),
        '<p class="muted">* from a model of activity and published figures of the device; nothing was metered. '
        "Estimated LUTs are scaled by what the measured points took more or less than estimated.</p>")


def _measured(measured: Sequence[Record]) -> str:
    shown = [(name, title, form) for name, title, form in METRICS
             if name in ("cycles", "fmax_mhz", "lut", "ff", "dsp", "bram")]
    rows = [(_code(point["id"]), *(_change(point, name, form) for name, _, form in shown)) for point in measured]
    return _section(
        "estimates", "Estimate against measurement",
        "What the search assumed of the measured points, what routing and simulation gave, and the difference.",
        table(("point", *(title for _, title, _ in shown)), rows)) if rows else ""


def _change(point: Record, name: str, form: str) -> str:
    before, after = point["estimated"].get(name), point["metrics"].get(name)
    if not before or after is None:
        return "–"
    return (f"{value(point['estimated'], name, form)} → {value(point['metrics'], name, form)} "
            f"<span class='muted'>{(after - before) / before:+.1%}</span>")


def _layers(builder: _Page, measured: Sequence[Record]) -> str:
    parts = []
    for point in measured:
        rate = sum(layer["macs"] for layer in point["layers"]) / point["metrics"]["cycles"]
        parts.append(f"<h3>{_code(point['id'])} <span class='muted'>{rate:.1f} of {point['macs_per_cycle']} "
                     f"multiply-accumulates per cycle over the whole network</span></h3>"
                     + builder.chart(figures.layers_figure(point)))
    return _section(
        "layers", "Cycles of each layer against the roofline",
        "The engine's own counters beside the least cycles that the multipliers, the requantizers or the scratchpads' "
        "ports allow.", *parts)


def _resources(builder: _Page, measured: Sequence[Record]) -> str:
    chart = builder.chart(figures.resources_figure(measured)) if measured else ""
    rows = [(_code(point["id"]), escape(point["board"]),
             *(f"{point['metrics'][kind]:,} / {point['budget'][kind]:,}" for kind in ("lut", "ff", "dsp", "bram")),
             f"{point['metrics']['clock_mhz']:.1f}", f"{point['metrics']['fmax_mhz']:.1f}", str(point["seed"]))
            for point in measured]
    header = ("point", "board", "LUT", "FF", "DSP", "BRAM", "clock, MHz", "Fmax, MHz", "seed")
    return _section("resources", "Resources against the board's budget",
                    "The whole SoC: CPU, firmware memory, engine.", chart, table(header, rows))


def _verification(measured: Sequence[Record]) -> str:
    rows = [(_code(point["id"]), check["level"], f"{check['inputs']}",
             f'<span class="{"bad" if check["mismatches"] else "ok"}">{check["mismatches"]}</span>',
             f"{check['engine_cycles']:,}", f"{check['predicted_cycles']:,}",
             f"{check['cycles']:,}" if check["level"] == "soc" else "–")
            for point in measured for check in point["checks"]]
    header = ("point", "level", "images", "mismatches", "engine cycles", "predicted", "SoC cycles")
    return _section(
        "verification", "Verification",
        "Every output of every image is compared with the golden model, and the engine's cycle counter with the "
        "prediction. SoC cycles are the firmware's, from input in memory to output in memory.", table(header, rows))


def _training(builder: _Page, record: Record) -> str:
    parts = []
    for network in sorted({training["network"] for training in record["trainings"]}):
        chart = builder.chart(figures.curves_figure(record["trainings"], network))
        parts.append(f"<div><h3>{escape(network)}</h3>{chart}</div>")
    return _section("training", "Training", "Accuracy while training, quantized in the forward pass. Colour: weight "
                    "bits; dashes: width.", f'<div class="pair">{"".join(parts)}</div>')


def _feedback(builder: _Page, feedback: Record | None) -> str:
    title = "Feedback from hardware to training"
    if not feedback:
        return _section("feedback", title, "No truncated multiplier in this space.")
    noise, (low, high) = feedback["profile"], feedback["interval"]
    result = (f"With the noise in training: mean difference <b>{feedback['difference']:+.2%}</b>, "
              f"95% interval {low:+.2%} to {high:+.2%} over {len(feedback['pairs'])} paired "
              f"seeds. <b>{escape(feedback['conclusion'])}</b>")
    pairs = [(str(pair["seed"]), f"{pair['exact']:.4f}", f"{pair['without']:.4f}", f"{pair['with']:.4f}",
              f"{pair['with'] - pair['without']:+.4f}") for pair in feedback["pairs"]]
    choices = [(f"width {choice['width']:g}, {choice['weight_bits']} bits", f"{choice['cycles']:,}",
                f"{choice['accuracy']:.4f}", f"{choice['probability']:.3f}",
                '<span class="ok">picked</span>' if choice["picked"] else "") for choice in feedback["choices"]]
    return _section(
        "feedback", title,
        f"The truncated multiplier's RTL ran over {noise['pairs']:,} operand pairs ({escape(noise['simulator'])}); its "
        f"errors became noise in the forward pass, the cycle model a latency term in the loss. Network: "
        f"{escape(feedback['label'])}.",
        f"<p>{result}</p>", '<div class="pair"><div>', builder.chart(figures.feedback_figure(feedback["pairs"])),
        "</div><div>", builder.chart(figures.noise_figure(noise)), "</div></div>",
        table(("seed", "exact multiplier, without", "truncated, without", "truncated, with", "difference"), pairs),
        "<h3>What the latency term picks</h3>",
        "<p>A choice of one run, not a comparison over seeds: the interval above is of the noise alone.</p>",
        table(("network", "engine cycles", "accuracy, trained alone", "probability at the end", ""), choices))


def _failures(record: Record) -> str:
    rows = [(_code(item["id"]), escape(item["stage"]), escape(item["reason"]))
            for item in record["failures"]]
    over = sum(bool(trial["violations"]) for trial in record["trials"])
    body = table(("point", "stage", "reason"), rows, text=(1, 2)) if rows else "<p>No point failed.</p>"
    return _section("failures", "What failed", f"Failures are never counted as results. {over} candidates exceeded a "
                    f"budget and could not enter the front.", body)


def _provenance(record: Record) -> str:
    data = record["data"]
    counts = ", ".join(f"{count} {name}" for name, count in data["counts"].items())
    rows = [("data", f"{data['name']}, {counts} images; stratified split with seed {data['seed']}; "
             f"SHA-256 {data['digest'][:16]}…")]
    rows += [("budget", ", ".join(f"{name} {limit:g}" for name, limit in record["budget"].items()) or "none")]
    rows += [("space", _code(json.dumps(record["space"])))]
    rows += [(name, escape(version)) for name, version in record["versions"].items()]
    return _section("provenance", "Versions, seeds, split", "What made these numbers.",
                    table(("what", "which"), rows, text=(1,)))
