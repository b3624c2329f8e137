"""Every page of ``docs``: its examples run, its paths exist, its commands parse."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
ids = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@ids
def test_examples_run(page):
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0
    assert (tried > 0) == (">>> " in page.read_text(encoding="utf-8"))


@ids
def test_paths_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:hw|sw|boards|cosim|flows|tests|docs|scripts)(?:/[\w.]+)+)/?`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@ids
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@ids
def test_lines_are_short_and_nothing_is_left_to_fill_in(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith(("|", "    "))] == []
    assert not [line for line in lines if re.search(r"\bTODO\b|\bTBD\b|@[A-Z_]+@", line)]


FIGURES = [(page.name, figure) for page in (*PAGES, ROOT / "README.md")
           for figure in re.findall(r"```mermaid\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)]
#: Words of the figures' language that are no names of boxes.
RESERVED = {"call", "class", "classDef", "click", "default", "end", "flowchart", "graph", "href", "linkStyle", "style",
            "subgraph"}


def names(figure):
    """What arrows join."""
    bare = re.sub(r'"[^"]*"', "", figure)
    return {name for line in bare.splitlines() if re.search(r"--|-\.", line)
            for name in re.findall(r"[A-Za-z_]\w*", re.sub(r"--[ \w,:]+-->", "-->", line))}


@pytest.mark.parametrize("figure", [figure for _, figure in FIGURES], ids=[name for name, _ in FIGURES])
def test_no_box_has_a_name_that_the_figures_language_keeps_for_itself(figure):
    assert names(figure)
    assert names(figure) & RESERVED == set()


def test_such_a_name_is_seen():
    assert names('flowchart LR\n  a["graph"] --> graph["x"] & b') == {"a", "graph", "b"}
