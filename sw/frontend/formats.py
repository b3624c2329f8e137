"""What a file is, told by its content: what Heddle reads is loaded, anything else is named with its way to Heddle.

Nothing of a foreign file is executed or unpickled; only its first bytes, an archive's list of names, or the outermost
fields of a protocol buffer are looked at.
"""

import re
import zipfile
from codecs import getincrementaldecoder
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from sw.frontend.tflite import FULL_INTEGER, load_tflite
from sw.graph.graph import Graph, GraphError

__all__ = ["load_file"]

MOST_FIELDS = 100_000      # of a protocol buffer that are looked at
IR_VERSION = b"\x08"       # the first field of an ONNX file, a number

_CONVERTER = f"convert it to an int8 .tflite by tf.lite.TFLiteConverter with {FULL_INTEGER}"
_TORCH = ("holds no network that can be read without its Python code; convert the torch.nn.Module to an int8 .tflite "
          "(litert-torch does)")
_ARCHIVED = "unpack it and give the model inside"
_AGAIN = "get it again"
_MODELS = "give a .tflite or .onnx file or a folder that Heddle wrote"

#: the first bytes -> (what it is, the way out)
_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes .h5", _CONVERTER),
    (b"\x93NUMPY", "one numpy array and no network", _MODELS),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "an old torch.save file", f"it {_TORCH}"),
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself", "run `git lfs pull`"),
    (b"\x1f\x8b", "a gzip archive", _ARCHIVED),
    (b"BZh", "a bzip2 archive", _ARCHIVED),
    (b"\xfd7zXZ\0", "an xz archive", _ARCHIVED),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _ARCHIVED),
)
#: a name in a zip archive -> (what the archive is, the way out); the first that matches
_MEMBERS: tuple[tuple[str, str, str], ...] = (
    (r"model\.weights\.h5|config\.json", "a Keras file (.keras)", _CONVERTER),
    (r"(.*/)?saved_model\.pb", "a zip archive of a TensorFlow SavedModel", f"unpack it and {_CONVERTER}"),
    (r"(.*/)?(serialized_exported_program\.json|archive_format|models/model\.json)", "an exported PyTorch program",
     "convert its torch.nn.Module to an int8 .tflite (litert-torch does)"),
    (r"(.*/)?(constants\.pkl|code/.*)", "a TorchScript program",
     "convert its torch.nn.Module to an int8 .tflite (litert-torch does)"),
    (r"(.*/)?data\.pkl", "a torch.save file", f"it {_TORCH}"),
    (r".*\.tflite", "a zip archive with a .tflite file", _ARCHIVED),
    (r".*\.npy", "a numpy archive that Heddle did not write", _MODELS),
)


def load_file(path: Path) -> Graph:
    """The graph in a ``model.npz`` of Heddle, a TFLite or an ONNX file, whatever the file's name ends in.

    Raises
    ------
    GraphError
        If the file or folder is none of these, with what it is and how to get to one that loads; or if it is damaged.
    """
    if path.is_dir():
        saved = (path / "saved_model.pb").exists()
        raise GraphError(f"{path}: is a TensorFlow SavedModel; {_CONVERTER}" if saved else
                         f"{path}: is a folder without model.npz; {_MODELS}")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if head[4:8] == b"TFL3":
                return load_tflite(path)
            if head.startswith(b"PK") and "header.npy" in _names(file):
                return Graph.load(path)
            fields = _fields_of(file)
            if _is_onnx(fields) or path.suffix == ".onnx" and head.startswith(IR_VERSION):
                from sw.frontend.onnx import load_onnx  # the library takes a moment

                return load_onnx(path)
            what, remedy = _examine(file, head, fields)
    except OSError as error:
        raise GraphError(f"{path}: cannot be read ({error.strerror}); {_MODELS}") from error
    raise GraphError(f"{path}: is {what}; {remedy}")


def _examine(file: IO[bytes], head: bytes, fields: list[tuple[int, int]]) -> tuple[str, str]:
    if not head.strip(b"\0 \r\n\t"):
        return ("an empty file" if not head else "a file of blanks"), _AGAIN
    for start, what, remedy in _STARTS:
        if head.startswith(start):
            return what, remedy
    return (_archive(file, head) or _protocol_buffer(set(fields)) or _pickle(head) or _safetensors(head) or _text(head)
            or ("of no kind that Heddle knows", _MODELS))


def _names(file: IO[bytes]) -> list[str]:
    """Names in a zip archive; none where its list is missing."""
    try:
        return zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return []


def _archive(file: IO[bytes], head: bytes) -> tuple[str, str] | None:
    if head[257:262] == b"ustar":
        return "a tar archive", _ARCHIVED
    if not head.startswith(b"PK"):
        return None
    names = _names(file)
    if not names:
        return "a zip archive that is cut short or empty", _AGAIN
    for pattern, what, remedy in _MEMBERS:
        if any(re.fullmatch(pattern, name) for name in names):
            return what, remedy
    return f"a zip archive of {', '.join(names[:3])}{' and more' if names[3:] else ''}", _MODELS


def _fields_of(file: IO[bytes]) -> list[tuple[int, int]]:
    """Number and wire type of the outermost fields of a protocol buffer; none where the file is none.

    ONNX and TensorFlow write such messages without a mark at the start: the numbers of the fields tell them apart.
    """
    try:
        return list(islice(_fields(file), MOST_FIELDS))
    except ValueError:
        return []


def _is_onnx(fields: list[tuple[int, int]]) -> bool:
    return fields[:1] == [(1, 0)] and {(7, 2), (8, 2)} <= set(fields) and max(fields)[0] <= 30


def _protocol_buffer(kinds: set[tuple[int, int]]) -> tuple[str, str] | None:
    if kinds == {(1, 0), (2, 2)}:
        return "the saved_model.pb of a TensorFlow SavedModel", _CONVERTER
    if {(1, 2), (4, 2)} <= kinds <= {(1, 2), (2, 2), (3, 0), (4, 2), (5, 2)}:
        return "a frozen TensorFlow graph (.pb)", _CONVERTER
    return None


def _fields(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Number and wire type of each outermost field. Raises ValueError where the bytes are no protocol buffer."""
    end = file.seek(0, 2)
    file.seek(0)
    while (position := file.tell()) < end:
        key = _varint(file)
        number, kind = key >> 3, key & 7
        if number == 0 or kind not in (0, 1, 2, 5):
            raise ValueError(f"no field at {position}")
        if kind == 0:
            _varint(file)
        else:
            file.seek({1: 8, 5: 4}[kind] if kind != 2 else _varint(file), 1)
        if file.tell() > end:
            raise ValueError("a field goes on behind the end")
        yield number, kind


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("no number")


def _pickle(head: bytes) -> tuple[str, str] | None:
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        return ("a Python pickle, which runs code when it is loaded",
                "load it in a program of your own, convert the network to an int8 .tflite, and give that")
    return None


def _safetensors(head: bytes) -> tuple[str, str] | None:
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length < 1 << 27:
        return "a safetensors file, which holds weights and no network", (
            "load them into the network that they belong to and convert that to an int8 .tflite")
    return None


def _text(head: bytes) -> tuple[str, str] | None:
    try:
        text = getincrementaldecoder("utf-8")().decode(head).strip()     # the head may end within a letter
    except UnicodeDecodeError:
        return None
    if not text or re.search(r"[\0-\x08\x0e-\x1f]", text):
        return None
    if re.match(r"<!doctype html|<html", text, re.IGNORECASE):
        return "a web page, so the download gave no model", "take the address of the file itself"
    if text.startswith("{"):
        return "a JSON file", _MODELS
    return f"a text file that starts with {text.splitlines()[0][:40]!r}", _MODELS
