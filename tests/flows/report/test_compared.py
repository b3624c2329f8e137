import json
import re

import pytest

from flows.report.compared import comparison_page, write_comparison

FLOWS = [{"task": "digits", "flow": flow, "seed": seed, "cpu_s": 40.0, "hypervolume": best + seed / 100,
          "reference": [0.9, 2e-4, 24288], "latency_lut_at_equal_accuracy": None if flow == "joint" else 0.25}
         for seed in (1, 2, 3) for flow, best in (("joint", 0.5), ("network-first", 0.2))]
SAMPLERS = [{"task": "digits", "sampler": "random", "seed": seed, "cpu_s": 30.0, "hypervolume": 0.3,
             "reference": [0.9, 2e-4, 24288], "curve": [[10.0, 0.1 * seed], [20.0, 0.2 * seed], [30.0, 0.2 * seed]]}
            for seed in (1, 2, 3)]


def figures(html):
    return [json.loads(text) for text in re.findall(r'data-for="[^"]*">(.*?)</script>', html)]


def body(html):
    return html[html.index("<body>"):]


def test_ways_are_dots_with_their_median_and_a_table():
    html = comparison_page({"codesign": FLOWS})
    [figure] = figures(body(html))
    dots, medians = figure["data"]
    assert sorted(zip(dots["x"], dots["y"], strict=True)) == sorted((row["flow"], row["hypervolume"]) for row in FLOWS)
    assert (medians["x"], medians["y"]) == (["joint", "network-first"], [0.52, 0.22])
    assert "<td>0.25 (0.25, 0.25, 0.25)</td>" in body(html) and "<td>–</td>" in body(html), "none is no number"
    assert "0.9, 0.0002, 24288" in body(html) and "3 seeds" in body(html)


def test_samplers_have_a_band_from_the_worst_seed_to_the_best():
    [figure] = figures(body(comparison_page({"samplers": SAMPLERS})))
    band, line = figure["data"]
    assert (line["x"][0], line["x"][-1]) == (10.0, 30.0)
    assert (line["y"][0], line["y"][-1]) == pytest.approx((0.2, 0.4))
    assert (max(band["y"]), min(band["y"])) == pytest.approx((0.6, 0.1))
    assert line["y"] == sorted(line["y"])


def test_a_task_without_data_says_what_is_missing_and_a_sampler_that_found_nothing_has_no_line():
    html = body(comparison_page({
        "codesign": [{"task": "mnist", "error": "mnist: no such folder <here>"}],
        "samplers": [*SAMPLERS, {**SAMPLERS[0], "sampler": "grid", "curve": []}]}))
    assert "no such folder &lt;here&gt;" in html
    assert {trace["name"] for trace in figures(html)[0]["data"] if "name" in trace} == {"random"}


def test_the_page_needs_no_network(tmp_path):
    path = write_comparison(tmp_path / "page.html", {"codesign": FLOWS, "samplers": SAMPLERS, "engine": []})
    html = path.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", html[:html.index("<script>")] + body(html))
    assert "Plotly.newPlot" in html
