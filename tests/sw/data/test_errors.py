from pathlib import Path

import pytest

from sw.data import BrokenFiles


@pytest.mark.parametrize("count, says", [
    (1, r"^d/0\.png: cannot be used \(empty\); mend or remove it, or add broken=skip to go on without$"),
    (2, r"\(empty\); so is 1\.png; mend or remove them,"),
    (6, r"\(empty\); so are 1\.png, 2\.png, 3\.png and 2 more; mend"),
])
def test_broken_files_are_one_line(count, says):
    error = BrokenFiles([(Path(f"d/{number}.png"), "empty") for number in range(count)])
    assert len(error.files) == count
    with pytest.raises(BrokenFiles, match=says):
        raise error
