"""A Verilated model for several inputs side by side: its C++ with vectors where a signal depends on an input's data.

What steers the engine (commands, addresses, phases) does not depend on the data of an inference, so that one copy of
it serves all lanes; the array's registers, the scratchpad's bytes and what is between them become ``LANES`` values
(``cosim/lanes.h``), on which the compiler uses the processor's vector instructions. Where such a signal steers after
all, as an enable that travels in one word with its data does, the model checks that all lanes agree.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ONE", "Lanes", "lanes_here", "widen"]

TOKENS = re.compile(r"""(?P<line>^[ ]*\#[^\n]*\n) | (?P<gone>/\*.*?\*/ | //[^\n]*) | (?P<space>\s+)
    | (?P<token>"(?:\\.|[^"\\])*"\w* | [A-Za-z_]\w* | \d\w*
     | \+\+ | -- | << | >> | [<>=!]= | && | \|\| | :: | -> | .)""",
                    re.VERBOSE | re.MULTILINE | re.DOTALL)
NAME = re.compile(r"[A-Za-z_]\w*")
TYPES = ("CData", "SData", "IData", "QData")
NO_SIGNAL = {*TYPES, "vlSelf", "vlSelfRef", "VlWide", "VlUnpacked", "auto", "const", "if", "else", "do", "while",
             "return", "void", "bool", "struct", "extern"}
BRANCHES = ("if", "else")
PORT_TYPES = {"VL_IN8": "CData", "VL_OUT8": "CData", "VL_IN16": "SData", "VL_OUT16": "SData", "VL_IN": "IData",
              "VL_OUT": "IData", "VL_IN64": "QData", "VL_OUT64": "QData"}
#: How many bytes a vector register has, by the flags that a processor must have, and what tells the compiler so.
REGISTERS = (({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}, 64, "x86-64-v4"),
             ({"avx2", "bmi1", "bmi2", "fma", "f16c", "movbe"}, 32, "x86-64-v3"))
PLAIN_BYTES = 16                       # without knowing more
WORD_BYTES = 4                         # sums and most of what is between are as long


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """How many inputs a simulator takes side by side, and the instruction set that it is compiled for, if not any's."""

    count: int
    target: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """For the compiler."""
        return (f"-march={self.target}",) if self.target else ()


ONE = Lanes(count=1)


def lanes_here() -> Lanes:
    """As many as a vector register of this machine's processor has words."""
    information = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*:(.*)$", information.read_text(encoding="utf-8"), re.MULTILINE) \
        if information.is_file() else None
    flags = set(found.group(1).split()) if found else set()
    for needed, size, target in REGISTERS:
        if needed <= flags:
            return Lanes(count=size // WORD_BYTES, target=target)
    return Lanes(count=PLAIN_BYTES // WORD_BYTES)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of C++ between braces and semicolons; no ``statement`` is what only stands there."""

    tokens: tuple[str, ...]
    statement: bool

    @property
    def names(self) -> set[str]:
        return {token for token in self.tokens if NAME.fullmatch(token)} - NO_SIGNAL


def widen(folder: Path, memories: re.Pattern[str]) -> int:
    """Rewrite the model in ``folder``, as Verilator wrote it, for ``LANES`` inputs; returns how many signals got lanes.

    Parameters
    ----------
    memories : the names of the memories that hold an input's data; what depends on these gets lanes.

    Raises
    ------
    ValueError
        If no memory of the model has such a name.
    """
    sources = {path: list(_segments(_tokens(path.read_text(encoding="utf-8"))))
               for path in sorted(folder.glob("*___024root*.cpp"))}
    wide = _reached([segment for segments in sources.values() for segment in segments if segment.statement], memories)
    if not wide:
        raise ValueError(f"no memory of the model is named {memories.pattern}")
    for path, segments in sources.items():
        path.write_text("".join(_segment(segment, wide) for segment in segments), encoding="utf-8")
    for path in sorted(folder.glob("*.h")):
        path.write_text(_declarations(path.read_text(encoding="utf-8"), wide, memories), encoding="utf-8")
    return len(wide)


def _tokens(text: str) -> Iterator[str]:
    for match in TOKENS.finditer(text):
        if match.lastgroup in ("line", "token"):
            yield match.group()


def _segments(tokens: Iterable[str]) -> Iterator[Segment]:
    """Statements with their semicolon, lines of the preprocessor, braces, and what stands before these."""
    held: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token in "([") - (token in ")]")
        if token.endswith("\n") or token in "{}" and not depth:
            if held:
                yield Segment(tokens=tuple(held), statement=held[0] in BRANCHES)
            yield Segment(tokens=(token,), statement=False)
            held = []
        elif token == ";" and not depth:
            yield Segment(tokens=(*held, token), statement=True)
            held = []
        else:
            held.append(token)
    if held:
        yield Segment(tokens=tuple(held), statement=False)


def _reached(statements: Sequence[Segment], memories: re.Pattern[str]) -> set[str]:
    """All signals that depend on what is in ``memories``, through data: all lanes share conditions and addresses."""
    reached = {name for statement in statements for name in statement.names if memories.search(name)}
    users: dict[str, set[str]] = {}
    for statement in statements:
        target, used = _assignment(statement)
        for name in used if target else ():
            users.setdefault(name, set()).add(target)
    left = list(reached)
    while left:
        for target in users.get(left.pop(), set()) - reached:
            reached.add(target)
            left.append(target)
    return reached


def _assignment(statement: Segment) -> tuple[str, set[str]]:
    """The signal that a statement gives a value, if it does, and the names that this comes from."""
    tokens = statement.tokens
    if tokens[0].startswith("VL_"):
        target = next((token for token in tokens if token in statement.names and not token.startswith("VL_")), "")
        return target, statement.names - {target}
    at = _top_level(tokens, "=")
    if at is None or tokens[0] in BRANCHES:
        return "", set()
    target = next((token for token in tokens[:at] if token in statement.names), "")
    return target, {token for token in tokens[at:] if token in statement.names}


def _top_level(tokens: Sequence[str], wanted: str) -> int | None:
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token in "([") - (token in ")]")
        if token == wanted and not depth:
            return at
    return None


def _closing(tokens: Sequence[str], start: int) -> int:
    """Where the bracket that ``tokens`` have at ``start`` is closed."""
    depth = 0
    for at in range(start, len(tokens)):
        depth += (tokens[at] in "([") - (tokens[at] in ")]")
        if not depth:
            return at
    raise ValueError(f"no end of {' '.join(tokens[start:start + 20])}")


def _segment(segment: Segment, wide: set[str]) -> str:
    tokens = segment.tokens
    if not segment.statement or not segment.names & wide:
        return _joined(tokens)
    if tokens[0] in BRANCHES:
        at = tokens.index("if") + 1
        return f"{' '.join(tokens[:at])} (lanes_same{_expression(tokens[at:], wide)}) "
    if tokens[0] in (*TYPES, "VlWide"):
        return _declaration(tokens)
    equals = _top_level(tokens, "=")
    if equals is None:
        return _expression(tokens[:-1], wide) + ";\n"
    return f"{_target(tokens[:equals], wide)} = {_expression(tokens[equals + 1:-1], wide)};\n"


def _joined(tokens: Sequence[str]) -> str:
    text = " ".join(tokens)
    return text if text.endswith("\n") else text + ("\n" if text[-1:] in ";{}" else " ")


def _declaration(tokens: Sequence[str]) -> str:
    if tokens[0] == "VlWide":
        return f"LanesWide{' '.join(tokens[1:])}\n"
    return f"Lanes<{tokens[0]}> {' '.join(tokens[1:])}\n"


def _target(tokens: Sequence[str], wide: set[str]) -> str:
    """Left of an assignment; where it goes is the same in all lanes."""
    if "[" not in tokens:
        return " ".join(tokens)
    at = tokens.index("[")
    end = _closing(tokens, at)
    index = tokens[at + 1:end]
    inner = f"lanes_same({_expression(index, wide)})" if wide & set(index) else " ".join(index)
    return f"{' '.join(tokens[:at])}[{inner}]{' '.join(tokens[end + 1:])}"


def _expression(tokens: Sequence[str], wide: set[str]) -> str:
    """With a function for each operator that a class cannot have: casts by type, choices and indices in lanes."""
    if not wide & set(tokens):
        return " ".join(tokens)
    question = _top_level(tokens, "?")
    if question is not None:
        return f"lanes_pick({', '.join(_expression(part, wide) for part in _choice(tokens, question))})"
    done: list[str] = []
    at = 0
    while at < len(tokens):
        if tokens[at] not in "([":
            done.append(tokens[at])
            at += 1
            continue
        end = _closing(tokens, at)
        inside = tokens[at + 1:end]
        if tokens[at] == "[":
            _index(done, inside, wide)
        elif len(inside) == 1 and inside[0] in TYPES:
            done.append(f"lanes_cast<{inside[0]}>")
        else:
            done.append(f"({', '.join(_expression(part, wide) for part in _arguments(inside))})")
        at = end + 1
    return " ".join(done)


def _choice(tokens: Sequence[str], at: int) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Condition and both values of the choice whose question mark is at ``at``."""
    other = _top_level(tokens[at + 1:], ":")
    if other is None:
        raise ValueError(f"half a choice: {' '.join(tokens)}")
    return tokens[:at], tokens[at + 1:at + 1 + other], tokens[at + 2 + other:]


def _arguments(tokens: Sequence[str]) -> list[Sequence[str]]:
    at = _top_level(tokens, ",")
    return [tokens] if at is None else [tokens[:at], *_arguments(tokens[at + 1:])]


def _index(done: list[str], index: Sequence[str], wide: set[str]) -> None:
    """Put an index behind the operand that ``done`` ends with."""
    if not wide & set(index):
        done[-1] += f"[{' '.join(index)}]"
        return
    operand = done.pop()
    if done[-1:] == ["."]:
        operand = "".join((done.pop(-2), done.pop(), operand))
    done.append(f"lanes_look({operand}, {_expression(index, wide)})")


def _declarations(text: str, wide: set[str], memories: re.Pattern[str]) -> str:
    """A header with lanes where a member has them."""
    def port(match: re.Match[str]) -> str:
        kind, reference, name = match.groups()
        return f"Lanes<{PORT_TYPES[kind]}> {reference}{name};" if name in wide else match.group()

    def member(match: re.Match[str]) -> str:
        before, kind, words, after, name = match.groups()
        if name not in wide:
            return match.group()
        lanes = "LanesKept" if memories.search(name) else "Lanes"
        return f"{before}{f'LanesWide<{words}>' if words else f'{lanes}<{kind}>'}{after} {name};"

    text = re.sub(r"(VL_(?:IN|OUT)\d*)\((&?)(\w+),[^)]*\);", port, text)
    text = re.sub(rf"(\bVlUnpacked<|\b)(?:({'|'.join(TYPES)})|VlWide<(\d+)>)/\*[\d:]+\*/((?:, \d+>)?) (\w+);", member,
                  text)
    # No member of an anonymous structure may have a constructor.
    text = re.sub(r"^ +struct \{\n(.*?)^ +\};\n", r"\1", text, flags=re.MULTILINE | re.DOTALL)
    return text.replace('#include "verilated.h"', '#include "verilated.h"\n#include "lanes.h"')
