"""The report's charts, as plain data for plotly.js."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from boards import find_board
from flows.search.point import MeasuredLayer, Point
from flows.search.ways import Way
from hw.spec.feedback import NoiseProfile
from sw.quant.record import TrainingRecord

__all__ = ["Figure", "anytime_figure", "curves_figure", "front_figure", "layers_figure", "noise_figure",
           "reached_figure", "resources_figure", "ways_figure"]

Figure = dict[str, Any]

INK, MUTED, GRID, SURFACE = "#1f2430", "#6b7280", "#e5e7eb", "#ffffff"
BLUE, ORANGE, GREEN, YELLOW = "#2a6fdb", "#e4662e", "#1a9e77", "#d99a00"
SCALE = [[0, "#cfe0fb"], [0.5, "#4b86e0"], [1, "#0b2f6b"]]
DASHES = ("dot", "dash", "solid", "dashdot", "longdash")
FEW_BARS = 32
WAY_COLOURS = (BLUE, ORANGE, GREEN)
LINES = (MUTED, BLUE, ORANGE, GREEN, YELLOW, "#8b5cf6", "#0f766e", INK)
NETWORK_BITS = {8: BLUE, 4: GREEN, 2: ORANGE}


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title, "font": {"size": 13, "color": MUTED}}, "gridcolor": GRID, "zeroline": False,
            "linecolor": GRID, "tickfont": {"color": MUTED}, "automargin": True, **more}


def _figure(data: list[dict[str, Any]], *, height: int = 420, **layout: Any) -> Figure:
    return {"data": data, "layout": {
        "height": height, "paper_bgcolor": SURFACE, "plot_bgcolor": SURFACE, "hovermode": "closest",
        "font": {"family": "system-ui, sans-serif", "color": INK, "size": 13},
        "margin": {"l": 64, "r": 24, "t": 40, "b": 56},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, **layout}}


def _latency_us(points: Iterable[Point]) -> list[float]:
    return [1e6 * point.metrics.latency_s for point in points]


def _hover(point: Point) -> str:
    metrics = point.metrics
    accuracies = "" if metrics.test_interval is None else (
        f"test accuracy {metrics.accuracy:.4f}, 95% interval "
        f"{' to '.join(f'{bound:.3f}' for bound in metrics.test_interval)}<br>valid accuracy "
        f"{metrics.valid_accuracy:.4f}<br>")
    return (f"<b>{point.id}</b><br>{accuracies}{metrics.cycles:,} engine cycles, {metrics.cpu_cycles:,} of "
            f"the CPU, {1e6 * metrics.latency_s:,.2f} µs<br>{metrics.lut:,} LUT, {metrics.dsp} DSP, "
            f"{metrics.bram} BRAM<br>{point.fidelity}")


def _bars(points: Sequence[Point]) -> dict[str, Any]:
    """The 95% interval of each accuracy, where there is one."""
    known = [(point.metrics.accuracy or 0.0, *(point.metrics.test_interval or (0.0, 0.0))) for point in points]
    above = [high - accuracy for accuracy, _, high in known]
    below = [accuracy - low for accuracy, low, _ in known]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": "#a8b3c5",
            "thickness": 1, "width": 3}


def _height(point: Point) -> float:
    return point.metrics.lut if point.metrics.accuracy is None else point.metrics.accuracy


def front_figure(points: Sequence[Point], others: Sequence[Point]) -> Figure:
    """Accuracy, or without data logic, against latency; colour is logic, the marker says what was measured.

    ``others`` are the candidates that are not in the front.
    """
    luts = [point.metrics.lut for point in points] or [0]
    colour = {"cmin": min(luts), "cmax": max(luts), "colorscale": SCALE,
              "colorbar": {"title": {"text": "LUT"}, "thickness": 12, "outlinewidth": 0}}
    traces = [{
        "type": "scatter", "mode": "markers", "name": f"other candidates ({len(others)})", "x": _latency_us(others),
        "y": list(map(_height, others)), "text": [_hover(point) for point in others],
        "hovertemplate": "%{text}<extra></extra>", "marker": {"size": 5, "color": "#c3c8d1"}}]
    for fidelity, symbol, size in (("estimated", "circle", 10), ("measured", "diamond", 16)):
        chosen = [point for point in points if point.fidelity == fidelity]
        traces.append({
            "type": "scatter", "mode": "markers", "name": f"front, {fidelity} ({len(chosen)})",
            "x": _latency_us(chosen), "y": list(map(_height, chosen)), "error_y": _bars(chosen),
            "text": [_hover(point) for point in chosen], "hovertemplate": "%{text}<extra></extra>",
            "marker": {"size": size, "symbol": symbol, "color": [point.metrics.lut for point in chosen],
                       "line": {"width": 2 if fidelity == "measured" else 1,
                                "color": ORANGE if fidelity == "measured" else INK},
                       "coloraxis": "coloraxis"}})
    return _figure(traces, height=520, coloraxis=colour,
                   xaxis=_axis("latency of one inference, µs (log scale)", type="log", dtick="D2"),
                   yaxis=_axis("integer accuracy on the test split", tickformat=".0%")
                   if any(point.metrics.accuracy is not None for point in points) else
                   _axis("LUTs, SoC included", tickformat=","))


def ways_figure(ways: Sequence[Way]) -> Figure:
    """Accuracy on valid, which chooses, against latency x LUTs: the best that each way of working gives up to there."""
    traces = []
    for way, colour, dash in zip(ways, WAY_COLOURS, ("solid", "dash", "dot"), strict=False):
        steps, best = [], 0.0
        for point in sorted(way.points, key=_product):
            accuracy = point.metrics.valid_accuracy or 0.0
            if accuracy > best:
                steps.append(point)
                best = accuracy
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": f"{way.name} ({len(steps)})",
            "x": [_product(point) for point in steps], "y": [point.metrics.valid_accuracy for point in steps],
            "text": [_hover(point) for point in steps], "hovertemplate": "%{text}<extra>" + way.name + "</extra>",
            "line": {"shape": "hv", "color": colour, "dash": dash, "width": 2},
            "marker": {"size": 8, "color": colour}})
    return _figure(traces, height=420, yaxis=_axis("integer accuracy on the validation split", tickformat=".1%"),
                   xaxis=_axis("latency x LUTs, µs x thousands (log scale)", type="log", dtick="D2"))


def _product(point: Point) -> float:
    """Microseconds x thousands of LUTs."""
    return 1e3 * point.metrics.latency_s * point.metrics.lut


def layers_figure(layers: Sequence[MeasuredLayer]) -> Figure:
    """Cycles of each layer beside its roof."""
    names = [f"{layer.name}<br>{layer.op}" for layer in layers]
    bars = [("roofline", "#c3c8d1", "roof", [f"bound by {layer.bound}" for layer in layers]),
            ("engine", BLUE, "cycles", [f"{layer.macs:,} MAC" for layer in layers])]
    return _figure(
        [{"type": "bar", "name": name, "x": names, "y": [getattr(layer, key) for layer in layers], "text": text,
          "textposition": "none", "hovertemplate": "%{x}<br>%{y:,} cycles<br>%{text}<extra>" + name + "</extra>",
          "marker": {"color": colour}} for name, colour, key, text in bars],
        height=320, barmode="group", bargap=0.3, bargroupgap=0.08, xaxis=_axis("", tickangle=0, tickfont={"size": 11}),
        yaxis=_axis("cycles"))


def resources_figure(points: Sequence[Point]) -> Figure:
    """Share of the board that each point uses, measured beside estimated."""
    kinds = ("lut", "ff", "dsp", "bram")
    traces = []
    for name, key, colour in (("estimated", "estimate", "#c3c8d1"), ("routed", "metrics", BLUE)):
        labels, shares, text = [], [], []
        for point in points:
            used, available = getattr(point, key), find_board(point.built.board).budget
            for kind in kinds:
                if available[kind]:
                    labels.append((f"{point.candidate.network.id} {point.built.label}", kind.upper()))
                    shares.append(getattr(used, kind) / available[kind])
                    text.append(f"{getattr(used, kind):,} of {available[kind]:,}")
        traces.append({"type": "bar", "name": name, "x": [list(row) for row in zip(*labels, strict=True)],
                       "y": shares, "text": text, "textposition": "none", "marker": {"color": colour},
                       "hovertemplate": "%{x}<br>%{text} (%{y:.1%})<extra>" + name + "</extra>"})
    return _figure(traces, height=380, barmode="group", bargap=0.3, xaxis=_axis(""),
                   yaxis=_axis("share of the board", tickformat=".0%", rangemode="tozero"))


def curves_figure(trainings: Sequence[TrainingRecord], network: str) -> Figure:
    """Validation accuracy by passes over the data; colour is weight bits, dashes are width."""
    chosen = [training for training in trainings if training.config.network == network]
    widths = sorted({training.config.width for training in chosen})
    return _figure([{
        "type": "scatter", "mode": "lines",
        "name": f"width {training.config.width:g}, {training.config.weight_bits} bits",
        "x": [look.done for look in training.curves],
        "y": [look.accuracy for look in training.curves],
        "customdata": [[look.loss, look.stage] for look in training.curves],
        "hovertemplate": "%{customdata[1]}, pass %{x:.1f}: %{y:.4f}, loss %{customdata[0]:.4f}"
                         "<extra>%{fullData.name}</extra>",
        "line": {"width": 2, "color": NETWORK_BITS.get(training.config.weight_bits, YELLOW),
                 "dash": DASHES[widths.index(training.config.width) % len(DASHES)]}}
        for training in chosen], height=400, xaxis=_axis("passes over the data"),
        yaxis=_axis("accuracy on the validation split", tickformat=".0%"))


def noise_figure(profile: NoiseProfile) -> Figure:
    """Mean error of the multiplier by weight value; one standard deviation where there is room for it."""
    zero = 1 << profile.weight_bits - 1
    deviations = [value ** 0.5 for value in profile.variance]
    bars = {"type": "bar", "x": [index - zero for index in range(2 * zero)], "y": list(profile.mean),
            "customdata": deviations, "marker": {"color": BLUE, "line": {"width": 0}},
            "hovertemplate": "weight %{x}: mean error %{y:.3f}, standard deviation %{customdata:.3f}<extra></extra>"}
    if len(deviations) <= FEW_BARS:
        bars["error_y"] = {"type": "data", "array": deviations, "color": MUTED, "thickness": 1, "width": 0}
    return _figure([bars], height=360, showlegend=False, bargap=0, xaxis=_axis("weight value"),
                   yaxis=_axis("mean error of a product, LSB²"))


def anytime_figure(bands: Mapping[str, tuple[Sequence[float], ...]]) -> Figure:
    """Hypervolume by CPU seconds; of each name the seconds, and the least, median and greatest value at each."""
    traces: list[dict[str, Any]] = []
    for colour, (name, (seconds, least, middle, greatest)) in zip(LINES, bands.items(), strict=False):
        traces += [
            {"type": "scatter", "mode": "lines", "x": [*seconds, *reversed(seconds)], "hoverinfo": "skip",
             "y": [*greatest, *reversed(least)], "fill": "toself", "fillcolor": colour, "opacity": 0.12,
             "line": {"width": 0}, "legendgroup": name, "showlegend": False},
            {"type": "scatter", "mode": "lines", "name": name, "legendgroup": name, "x": seconds, "y": middle,
             "line": {"width": 2, "color": colour},
             "hovertemplate": "%{x:.0f} s: %{y:.4f}<extra>" + name + "</extra>"}]
    return _figure(traces, height=460, xaxis=_axis("CPU seconds"), yaxis=_axis("hypervolume", rangemode="tozero"))


def reached_figure(values: Mapping[str, Sequence[float]]) -> Figure:
    """The values of each name as dots, and their median as a line."""
    dots = {"type": "scatter", "mode": "markers", "name": "a seed",
            "x": [name for name, each in values.items() for _ in each],
            "y": [value for each in values.values() for value in each], "marker": {"size": 9, "color": BLUE},
            "hovertemplate": "%{x}: %{y:.4f}<extra></extra>"}
    known = {name: median(each) for name, each in values.items() if each}
    lines = {"type": "scatter", "mode": "markers", "name": "median", "x": list(known), "y": list(known.values()),
             "marker": {"symbol": "line-ew", "size": 46, "line": {"width": 3, "color": ORANGE}},
             "hovertemplate": "%{x}: median %{y:.4f}<extra></extra>"}
    return _figure([dots, lines], height=360, xaxis=_axis("", type="category"),
                   yaxis=_axis("hypervolume", rangemode="tozero"))
