"""A network as a picture: layers as boxes, coloured by who runs them, one below what it reads. SVG, nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from statistics import mean

from flows.estimate.runners import CPU, ENGINE, NOBODY, Assignment, Duty
from flows.report.text import printable

__all__ = ["network_svg"]

BOX, BOX_HEIGHT, END_HEIGHT = 224, 42, 26      # pixels
PITCH, GAP, LANE = 66, 22, 14                  # from row to row; between boxes; of an edge that passes a row
MARGIN, HEAD = 24, 74
SWEEPS = 24                                    # over all rows, each way
INK, MUTED, LINE = "#1f2430", "#6b7280", "#9aa3b2"
#: Runner -> its fill, its line, what the legend says.
COLOURS: dict[str | None, tuple[str, str, str]] = {
    ENGINE: ("#dbe8fd", "#2a6fdb", "engine"), CPU: ("#fde3d6", "#c4501d", "CPU"),
    NOBODY: ("#f6f7f9", "#9aa3b2", "nobody: a place in memory"), None: ("#ffffff", "#6b7280", "not compiled")}
END_FILL = "#ffffff"


@dataclass(kw_only=True, eq=False)
class _Node:
    """A box, or where an edge passes a row."""

    width: int
    row: int = 0
    x: float = 0.0                      # of its middle
    place: int = 0                      # in its row
    title: str = ""
    text: str = ""
    hint: tuple[str, ...] = ()          # lines
    runner: str | None = None
    end: bool = False                   # of the network: an input, an output, a state, a constant

    @property
    def height(self) -> int:
        return END_HEIGHT if self.end else BOX_HEIGHT


Edge = tuple[_Node, _Node]


def network_svg(found: Assignment, title: str) -> str:
    """The whole network; what the compiler adds is not among the layers and not drawn."""
    nodes, edges = _network(found)
    _rank(nodes, edges)
    routes = [_route(edge) for edge in edges]
    steps = [pair for route in routes for pair in zip(route, route[1:], strict=False)]
    rows = _rows(dict.fromkeys([*nodes, *(node for route in routes for node in route)]))
    _order(rows, steps)
    _spread(rows, steps)
    left = min(node.x - node.width / 2 for row in rows for node in row)
    for row in rows:
        for node in row:
            node.x += MARGIN - left
    width = max(420.0, *(node.x + node.width / 2 + MARGIN for row in rows for node in row))
    height = HEAD + PITCH * len(rows)
    parts = [*_head(found, title), *map(_edge, routes), *map(_box, nodes)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
            f'viewBox="0 0 {width:.0f} {height}" font-family="system-ui, sans-serif" font-size="11">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def _network(found: Assignment) -> tuple[list[_Node], list[Edge]]:
    """Boxes, and which reads which; a constant has one for each of its readers."""
    made: dict[int, _Node] = {}
    nodes: list[_Node] = []
    edges: list[Edge] = []
    for number, source in enumerate(found.sources):
        if source.kind != "constant":
            made[number] = _end(f"{source.kind} {source.name}" if source.kind == "state" else source.name,
                                _shape(source.shape, source.dtype))
            nodes.append(made[number])
    layers = [duty for duty in found.duties if duty.layer is not None]
    for number, duty in enumerate(layers, len(found.sources)):
        made[number] = box = _layer(duty)
        for tensor in dict.fromkeys(duty.reads):
            if tensor not in made:
                nodes.append(_end("constant", _shape(found.sources[tensor].shape, found.sources[tensor].dtype)))
                edges.append((nodes[-1], box))
            else:
                edges.append((made[tensor], box))
        nodes.append(box)
    for place, number in enumerate(found.outputs):
        nodes.append(_end(f"output {place}" if len(found.outputs) > 1 else "output", ""))
        edges.append((made[number], nodes[-1]))
    for state, number in found.states:
        nodes.append(_end(f"next {found.sources[state].name}", ""))
        edges.append((made[number], nodes[-1]))
    return nodes, edges


def _layer(duty: Duty) -> _Node:
    cycles = duty.engine_cycles if duty.engine_cycles is not None else duty.estimated_cpu_cycles
    counted = [] if cycles is None else [f"{'about ' if duty.runner == CPU else ''}{cycles:,} cycles"]
    text = " · ".join([duty.function or duty.op, _shape(duty.shape, duty.dtype), *(counted if cycles else [])])
    hint = (f"{duty.name} ({duty.op})", f"{duty.runner}: {duty.why}" if duty.runner else "not compiled",
            *([f"{duty.macs:,} multiply-accumulates"] if duty.macs else []), *counted)
    return _Node(width=BOX, title=duty.name, text=text, hint=hint, runner=duty.runner)


def _end(title: str, text: str) -> _Node:
    return _Node(width=BOX, title=f"{title}  {text}".strip(), hint=(f"{title} {text}".strip(),), end=True)


def _shape(shape: Sequence[int], dtype: str) -> str:
    return "×".join(map(str, shape)) + ("" if dtype == "int8" else f" {dtype}")


def _rank(nodes: Sequence[_Node], edges: Sequence[Edge]) -> None:
    """Each below all that it reads; what reads nothing just above its first reader, but inputs at the top."""
    readers: dict[_Node, list[_Node]] = {}
    for above, below in edges:
        below.row = max(below.row, above.row + 1)
        readers.setdefault(above, []).append(below)
    reading = {below for _, below in edges}
    for node in nodes:
        if node not in reading and not node.title.startswith("input") and node in readers:
            node.row = max(0, min(below.row for below in readers[node]) - 1)


def _route(edge: Edge) -> list[_Node]:
    """An edge's ends, and a point in each row between."""
    above, below = edge
    return [above, *(_Node(width=LANE, row=row) for row in range(above.row + 1, below.row)), below]


def _rows(nodes: Iterable[_Node]) -> list[list[_Node]]:
    found: dict[int, list[_Node]] = {}
    for node in nodes:
        found.setdefault(node.row, []).append(node)
    return [found[row] for row in sorted(found)]


def _order(rows: Sequence[list[_Node]], steps: Sequence[Edge]) -> None:
    """Each row in the order of the middles of what it is connected to, down and up, where fewest edges cross."""
    above, below = _neighbours(steps)
    for row in rows:
        _number(row)
    best, fewest = [list(row) for row in rows], _crossings(steps)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            row.sort(key=lambda node: mean([other.place for other in near[node]]) if near.get(node) else node.place)
            _number(row)
        if (count := _crossings(steps)) < fewest:
            best, fewest = [list(row) for row in rows], count
    for row, order in zip(rows, best, strict=True):
        row[:] = order
        _number(row)


def _number(row: Sequence[_Node]) -> None:
    for place, node in enumerate(row):
        node.place = place


def _neighbours(steps: Sequence[Edge]) -> tuple[dict[_Node, list[_Node]], dict[_Node, list[_Node]]]:
    """Of each node those in the row above, and those in the row below."""
    above: dict[_Node, list[_Node]] = {}
    below: dict[_Node, list[_Node]] = {}
    for upper, lower in steps:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    return above, below


def _crossings(steps: Sequence[Edge]) -> int:
    by_row: dict[int, list[tuple[int, int]]] = {}
    for upper, lower in steps:
        by_row.setdefault(upper.row, []).append((upper.place, lower.place))
    return sum((a - c) * (b - d) < 0 for pairs in by_row.values()
               for number, (a, b) in enumerate(pairs) for c, d in pairs[:number])


def _spread(rows: Sequence[list[_Node]], steps: Sequence[Edge]) -> None:
    """Places from left to right: each as near as its row allows to the middle of what it is connected to."""
    above, below = _neighbours(steps)
    for row in rows:
        _place(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        near = [above, below][sweep % 2] if sweep < SWEEPS - 2 else {
            node: above.get(node, []) + below.get(node, []) for row in rows for node in row}
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _place(row, [mean([other.x for other in near[node]]) if near.get(node) else node.x for node in row])


def _place(row: Sequence[_Node], wanted: Sequence[float]) -> None:
    """In their order, without overlap, with the least sum of squared distances to ``wanted``."""
    offsets = [0.0]
    for left, right in zip(row, row[1:], strict=False):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + GAP)
    groups: list[tuple[float, int]] = []       # mean of a group that stands close, and how many
    for want, offset in zip(wanted, offsets, strict=True):
        groups.append((want - offset, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (first, many), (second, more) = groups[-2], groups.pop()
            groups[-1] = ((first * many + second * more) / (many + more), many + more)
    shifts = [value for value, many in groups for _ in range(many)]
    for node, shift, offset in zip(row, shifts, offsets, strict=True):
        node.x = shift + offset


def _head(found: Assignment, title: str) -> Iterator[str]:
    yield f'<text x="{MARGIN}" y="26" font-size="15" font-weight="600" fill="{INK}">{_said(title)}</text>'
    engine, cpu = found.engine_cycles, found.estimated_cpu_cycles
    said = {ENGINE: "" if engine is None else f", {engine:,} cycles",
            CPU: ", cycles unknown" if cpu is None else f", about {cpu:,} cycles"}
    x = MARGIN
    for runner in dict.fromkeys(duty.runner for duty in found.duties):
        fill, line, name = COLOURS[runner]
        text = name + said.get(runner or "", "")
        yield (f'<rect x="{x}" y="42" width="12" height="12" rx="2" fill="{fill}" stroke="{line}"/>'
               f'<text x="{x + 18}" y="52" fill="{MUTED}">{text}</text>')
        x += 40 + 6 * len(text)


def _top(node: _Node) -> float:
    return HEAD + PITCH * node.row + (BOX_HEIGHT - node.height) / 2


def _edge(route: Sequence[_Node]) -> str:
    first, *rest = route
    y = _top(first) + first.height
    path = f"M{first.x:.1f} {y:.1f}"
    for before, node in zip(route, rest, strict=False):
        top = _top(node)
        half = (y + top) / 2
        path += f"C{before.x:.1f} {half:.1f} {node.x:.1f} {half:.1f} {node.x:.1f} {top:.1f}"
        y = top
        if node is not route[-1]:
            y += node.height
            path += f"V{y:.1f}"
    return f'<path d="{path}" fill="none" stroke="{LINE}"/>'


def _box(node: _Node) -> str:
    fill, line = (END_FILL, LINE) if node.end else COLOURS[node.runner][:2]
    dashes = ' stroke-dasharray="3 3"' if node.runner == NOBODY else ""
    left, top = node.x - node.width / 2, _top(node)
    corner, weight = (END_HEIGHT // 2, 400) if node.end else (5, 600)
    shown = (f'<text x="{node.x:.1f}" y="{top + 17:.1f}" text-anchor="middle" fill="{INK}" font-weight="{weight}">'
             f'{_said(_cut(node.title))}</text>')
    if not node.end:
        shown += (f'<text x="{node.x:.1f}" y="{top + 33:.1f}" text-anchor="middle" fill="{MUTED}">'
                  f'{_said(_cut(node.text))}</text>')
    return (f'<g><title>{_said(*node.hint)}</title><rect x="{left:.1f}" y="{top:.1f}" width="{node.width}" '
            f'height="{node.height}" rx="{corner}" fill="{fill}" stroke="{line}"{dashes}/>{shown}</g>')


def _said(*lines: str) -> str:
    return escape("\n".join(map(printable, lines)))


def _cut(text: str, most: int = 36) -> str:
    """
    >>> _cut("a/very/long/name/of/a/layer", most=12)
    'a/very/long…'
    """
    return text if len(text) <= most else text[:most - 1] + "…"
