import pytest

from flows.report.text import printable


@pytest.mark.parametrize("text, shown", [
    ("conv/größe 1", "conv/größe 1"), ("a\x1b[2Jb\n\0", "a�[2Jb��"), ("\ud800\u202e", "��")])
def test_only_what_prints_is_shown(text, shown):
    assert printable(text) == shown
