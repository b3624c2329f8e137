"""A page as a browser shows it: Debian's Chromium, without a window."""

import shutil
import subprocess

import pytest

__all__ = ["page_of"]


def page_of(address: str, folder, *, after_ms: int = 4000) -> str:
    """The page's content after its scripts ran for a while. Skips the test where there is no Chromium."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no chromium here; apt-get install chromium")
    done = subprocess.run([chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
                           f"--virtual-time-budget={after_ms}", "--dump-dom", address], capture_output=True,
                          encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
