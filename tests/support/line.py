"""Serial ports without a board: pseudo-terminals, with a simulated SoC or a script at the other end."""

import os
import pty
import select
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["at_a_terminal", "scripted"]


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """The side of a board, as a file descriptor, and the port's name."""
    inner, outer = pty.openpty()
    tty.setraw(outer)
    try:
        yield inner, os.ttyname(outer)
    finally:
        os.close(inner)
        os.close(outer)


@contextmanager
def at_a_terminal(simulator, folder):
    """The port of a simulated SoC, whose memories are in a folder; it runs from reset on."""
    with terminal() as (inner, port):
        process = subprocess.Popen([simulator / "sim", folder], stdin=inner, stdout=inner)
        try:
            yield port
        finally:
            process.kill()
            process.wait()


@contextmanager
def scripted(answer):
    """A port at which ``answer`` of what came is sent back, as often as something comes."""
    over = threading.Event()

    def serve(inner):
        while not over.is_set():
            if select.select([inner], [], [], 0.02)[0]:
                os.write(inner, answer(os.read(inner, 8192)))

    with terminal() as (inner, port):
        thread = threading.Thread(target=serve, args=(inner,))
        thread.start()
        try:
            yield port
        finally:
            over.set()
            thread.join()
