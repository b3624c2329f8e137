import json

from flows.report.document import Charts, section, table, whole


def test_table_aligns_text():
    assert '<td class="wrap">b</td>' in table(("x", "y"), [("a", "b")], text=(1,))


def test_a_page_has_what_its_charts_draw_and_nothing_that_ends_a_script_early():
    charts = Charts()
    place = charts.chart({"data": [{"name": "</script>"}], "layout": {"height": 100}})
    html = whole("a < b", section("one", "One", "lead", place), charts)
    assert "<title>a &lt; b</title>" in html and 'id="figure-1"' in html
    data = html.rsplit('data-for="figure-1">', 1)[1].split("</script>", 1)[0]
    assert json.loads(data)["data"] == [{"name": "</script>"}]
