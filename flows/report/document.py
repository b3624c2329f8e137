"""A page of HTML that works without a network: its style, its charts, sections and tables."""

import json
from collections.abc import Iterable, Sequence
from html import escape

from flows.report.figures import Figure

__all__ = ["STYLE", "Charts", "section", "table", "whole"]

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
th,td{padding:5px 6px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap;
font-variant-numeric:tabular-nums}
th{color:var(--muted);font-weight:600;white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}td.text,th.text{text-align:left}
td.wrap{white-space:normal;text-align:left;overflow-wrap:anywhere}
.ok{color:var(--green);font-weight:600}.bad{color:var(--orange);font-weight:600}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px}
.pair>div{min-width:0}
details{margin:8px 0}summary{cursor:pointer}.picture{overflow:auto;max-height:720px}
code{background:var(--soft);padding:1px 4px;border-radius:4px;font-size:12px}nav a{margin-right:14px;color:var(--blue)}
"""
SCRIPT = """
for (const each of document.querySelectorAll("script[type='application/json'][data-for]")) {
  const figure = JSON.parse(each.textContent), node = document.getElementById(each.dataset.for);
  Plotly.newPlot(node, figure.data, figure.layout, {responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ["lasso2d", "select2d"]});
}
"""


class Charts:
    """Collects the data of a page's figures."""

    def __init__(self) -> None:
        self.data, self.count = "", 0

    def chart(self, figure: Figure) -> str:
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


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """What ``name`` links to; ``lead`` says what is seen there. All are HTML already but the name."""
    return f'<section id="{name}"><h2>{title}</h2><p class="muted">{lead}</p>{"".join(parts)}</section>'


def whole(title: str, body: str, charts: Charts) -> str:
    """The page, with plotly.js in it."""
    from plotly.offline import get_plotlyjs

    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
            f"<script>{get_plotlyjs()}</script></head>\n<body><main>{body}</main>{charts.data}"
            f"<script>{SCRIPT}</script></body></html>\n")
