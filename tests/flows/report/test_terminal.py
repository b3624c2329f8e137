import io

import pytest
from rich.console import Console

from flows.report.terminal import WIDTH, Display
from flows.run.progress import advance, listening, note, tell, work


@pytest.fixture
def screen():
    """A display on a terminal of our own, and what it showed."""
    display, text = Display(), io.StringIO()
    display.console = Console(file=text, force_terminal=True, width=100, color_system=None)
    return display, text


def test_lines_go_to_standard_error_and_are_not_markup(capsys):
    Display().line("points/[mlp]-8: " + "x" * 200)
    out, err = capsys.readouterr()
    assert out == "" and err == "points/[mlp]-8: " + "x" * 200 + "\n"


def test_cells_and_titles_are_text_and_not_markup(capsys):
    """Names of layers are whatever a model's file has."""
    Display().table("on [d]", ("name", "why"), [("[/end]", "a\x1b[2Jb"), ("[red]x", "y")], left=(1,))
    err = capsys.readouterr().err
    assert all(word in err for word in ("on [d]", "[/end]", "[red]x", "a�[2Jb")) and "\x1b[2J" not in err


def test_columns_of_text_begin_at_the_left(capsys):
    Display().table("", ("n", "number", "text"), [("a", "1", "b")], left=(2,))
    assert "│ a │      1 │ b    │" in capsys.readouterr().err


def test_a_table_is_as_wide_as_its_text(capsys):
    Display().table("Title", ("name", "value"), [("one", "1"), ("two", "22")], styles={1: "bold"})
    err = capsys.readouterr().err
    assert err.startswith("Title")
    assert all(word in err for word in ("name", "value", "one", "22"))
    assert max(map(len, err.splitlines())) < WIDTH


def test_quiet_says_nothing(capsys):
    display = Display(quiet=True)
    display.line("x")
    display.table("t", ("a",), [("b",)])
    with listening(display), work("routing", 2):
        advance()
        note("failed")
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_a_work_is_a_line_when_it_begins_and_one_when_it_ends(capsys):
    with listening(Display()), work("routing", 2):
        advance()
        tell("seed 1")
        advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "routing ..." and "2/2" in lines[-1] and len(lines) == 2


def test_a_bar_shows_how_far_and_what_each_task_does(screen):
    display, text = screen
    with listening(display), work("measuring", 4):
        advance()
        tell("routing, seed 1", task="a")
        tell("simulating", task="b")
        display._progress.refresh()
        assert "1/4" in text.getvalue() and "a: routing, seed 1; b: simulating" in text.getvalue()
        tell("", task="a")
        note("failed: a")
        display._progress.refresh()
        assert text.getvalue().rstrip().splitlines()[-1].strip().endswith("b: simulating")
    assert "failed: a" in text.getvalue()


def test_a_work_inside_another_has_a_bar_of_its_own_and_the_screen_is_left_when_both_end(screen):
    display, text = screen
    with listening(display), work("outer", 1):
        with work("inner", 3):
            advance()
            display._progress.refresh()
            assert "1/3" in text.getvalue() and "0/1" in text.getvalue()
        advance()
        assert display._progress is not None
    assert display._progress is None and "1/1" in text.getvalue()
    display.counted(1, 2)
    display.told("a", "nobody works any more")
    assert "nobody" not in text.getvalue()
