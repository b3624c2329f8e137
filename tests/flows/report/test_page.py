import json
import re

import pytest

from flows.report.page import ReportError, page, table, write_report
from flows.search.space import Space

METRICS = {"accuracy": 0.98, "cycles": 1000, "latency_s": 2e-5, "clock_mhz": 50.0, "fmax_mhz": 61.0,
           "timing_met": True, "lut": 5000, "ff": 3000, "dsp": 4, "bram": 20, "energy_j": 1e-6}
BUDGET = {"lut": 24288, "ff": 24288, "dsp": 28, "bram": 56, "spram": 0}


def record():
    layers = [{"name": "fc", "op": "dense", "macs": 9000, "cycles": 990, "predicted_cycles": 990, "roof": 600,
               "bound": "multipliers"}]
    checks = [{"level": "soc", "inputs": 32, "mismatches": 0, "engine_cycles": 1000, "predicted_cycles": 1000,
               "cycles": 1234}]
    point = {"id": "mlp-<b>", "board": "ulx3s-25", "fidelity": "measured", "metrics": METRICS,
             "estimated": {**METRICS, "lut": 4000}, "budget": BUDGET, "seed": 3, "label": "mlp 1x2x4",
             "macs_per_cycle": 32, "layers": layers, "checks": checks}
    curves = [{"epoch": 1, "loss": 1.0, "accuracy": 0.5}]
    return {
        "format": 1, "space": Space().record(), "budget": {"max_latency": 0.001},
        "data": {"name": "digits", "counts": {"train": 10, "valid": 5, "test": 5}, "seed": 0, "digest": "ab" * 32,
                 "shape": [8, 8, 1], "classes": 10},
        "points": [point, {**point, "id": "other", "fidelity": "estimated", "layers": [], "checks": []}],
        "trials": [{"id": "tried", "metrics": METRICS, "violations": {}},
                   {"id": "too-large", "metrics": METRICS, "violations": {"dsp": 0.3}}],
        "failures": [{"id": "bad", "stage": "route", "reason": "nextpnr: timed out <script>"}],
        "trainings": [{"network": "mlp", "width": 1.0, "weight_bits": 8, "curves": curves}],
        "feedback": {"label": "mlp", "difference": 0.01, "interval": [-0.01, 0.03], "conclusion": "No effect is shown.",
                     "profile": {"weight_bits": 2, "mean": [0, 0, 0, 0], "variance": [0, 0, 0, 0], "pairs": 1024,
                                 "simulator": "Verilator"},
                     "pairs": [{"seed": 1, "exact": 0.95, "without": 0.9, "with": 0.91}],
                     "choices": [{"width": 1.0, "weight_bits": 8, "cycles": 10, "accuracy": 0.9, "probability": 0.7,
                                  "picked": True}]},
        "versions": {"yosys": "0.70"}}


def text_of(html):
    return html[html.index("<body>"):]


def test_the_page_is_self_contained_and_says_it_all():
    html = page(record())
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", html[:html.index("<script>")] + text_of(html))
    assert "Plotly.newPlot" in html and len(html) > 1_000_000
    body = text_of(html)
    for said in ("98.00%", "measured", "+25.0%", "nextpnr: timed out &lt;script&gt;", "No effect is shown.", "yosys",
                 "max_latency 0.001", "1,234", "1 candidates exceeded"):
        assert said in body, said
    assert "mlp-<b>" not in body


def test_every_figure_has_its_place():
    body = text_of(page(record()))
    places = re.findall(r'<div id="(figure-\d+)"', body)
    assert places and places == re.findall(r'data-for="(figure-\d+)"', body)
    for text in re.findall(r'data-for="figure-\d+">(.*?)</script>', body, re.S):
        assert {"data", "layout"} == set(json.loads(text))


def test_the_same_record_gives_the_same_page():
    assert page(record()) == page(record())


def test_without_feedback_and_without_measured_points():
    plain = record() | {"feedback": None, "failures": []}
    plain["points"] = plain["points"][1:]
    body = text_of(page(plain))
    assert "No truncated multiplier in this space." in body and "No point failed." in body


def test_write_report(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(record()))
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html" and path.read_text() == page(record())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["report.html", "run.json"]


@pytest.mark.parametrize("content, says", [
    (None, r"no run.json; give the folder of a `heddle explore --out`"),
    ("{", r"run.json: cannot be read .*run `heddle explore` again"),
    ('{"format": 1}', r"run.json: damaged \(KeyError: 'points'\); run `heddle explore` again"),
    ('{"format": 0}', r"written by another version of Heddle"),
])
def test_a_wrong_folder_says_so(tmp_path, content, says):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ReportError, match=says):
        write_report(tmp_path)


def test_table_aligns_text():
    assert '<td class="wrap">b</td>' in table(("x", "y"), [("a", "b")], text=(1,))
