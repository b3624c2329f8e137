"""Files of every kind that people try: what Heddle reads loads, anything else is one line with the way out."""

import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from sw.frontend import load_file
from sw.frontend.tflite import FULL_INTEGER
from sw.graph.graph import Graph, GraphError
from tests.sw.frontend.files import operator, tensor, write

POOL = operator("MAX_POOL_2D", [0], 1, "Pool2DOptions", Padding=1, StrideW=2, StrideH=2, FilterWidth=2, FilterHeight=2)
GOOD = [tensor((1, 4, 4, 2), zero=3), tensor((1, 2, 2, 2), zero=3)]
CONVERTER = f"convert it to an int8 .tflite by tf.lite.TFLiteConverter with {FULL_INTEGER}"
CODE = ("it holds no network that can be read without its Python code; convert the torch.nn.Module to an int8 .tflite "
        "(litert-torch does)")
MODULE = "convert its torch.nn.Module to an int8 .tflite (litert-torch does)"
OURS = "give a .tflite or .onnx file or a folder that Heddle wrote"
UNPACK = "unpack it and give the model inside"


def field(number, value):
    """One field of a protocol buffer: a number or bytes, below 128."""
    return bytes([number << 3, value]) if isinstance(value, int) else bytes([number << 3 | 2, len(value)]) + value


def archive(*names):
    def make(path):
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, b"")
    return make


def old_torch(path):
    torch.save({"weight": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)


FILES = {
    "torch.pt": (lambda path: torch.save({"weight": torch.zeros(2)}, path), "a torch.save file", CODE),
    "old.pth": (old_torch, "an old torch.save file", CODE),
    "exported.pt2": (archive("net/models/model.json", "net/archive_format", "net/data/weights/weight_0"),
                     "an exported PyTorch program", MODULE),
    "script.pt": (archive("net/data.pkl", "net/code/__torch__/net.py", "net/constants.pkl"), "a TorchScript program",
                  MODULE),
    "keras.h5": (b"\x89HDF\r\n\x1a\n\0\0\0\0", "an HDF5 file, as Keras writes .h5", CONVERTER),
    "net.keras": (archive("metadata.json", "config.json", "model.weights.h5"), "a Keras file (.keras)", CONVERTER),
    "saved.zip": (archive("net/saved_model.pb", "net/variables/variables.index"),
                  "a zip archive of a TensorFlow SavedModel", f"unpack it and {CONVERTER}"),
    "saved_model.pb": (field(1, 1) + field(2, b"graph"), "the saved_model.pb of a TensorFlow SavedModel", CONVERTER),
    "frozen.pb": (field(1, b"node") + field(1, b"node") + field(4, field(1, 22)), "a frozen TensorFlow graph (.pb)",
                  CONVERTER),
    "net.pkl": (pickle.dumps({"weights": [1.0]}), "a Python pickle, which runs code when it is loaded",
                "load it in a program of your own, convert the network to an int8 .tflite, and give that"),
    "net.safetensors": (struct.pack("<Q", 17) + b'{"__metadata__":{}}',
                        "a safetensors file, which holds weights and no network",
                        "load them into the network that they belong to and convert that to an int8 .tflite"),
    "page.tflite": (b"\n<!DOCTYPE html>\n<html></html>", "a web page, so the download gave no model",
                    "take the address of the file itself"),
    "pointer.tflite": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
                       "a Git LFS pointer and not the file itself", "run `git lfs pull`"),
    "empty.tflite": (b"", "an empty file", "get it again"),
    "zeros.tflite": (bytes(5000), "a file of blanks", "get it again"),
    "cut.npz": (b"PK\3\4" + bytes(40), "a zip archive that is cut short or empty", "get it again"),
    "other.npz": (lambda path: np.savez(path, weights=np.zeros(3)), "a numpy archive that Heddle did not write", OURS),
    "array.npy": (lambda path: np.save(path, np.zeros(3)), "one numpy array and no network", OURS),
    "task.zip": (archive("metadata.txt", "net.tflite"), "a zip archive with a .tflite file", UNPACK),
    "things.zip": (archive("a", "b", "c", "d"), "a zip archive of a, b, c and more", OURS),
    "net.tflite.gz": (b"\x1f\x8b\x08\0", "a gzip archive", UNPACK),
    "net.tar": (b"net.tflite" + bytes(247) + b"ustar\0" + bytes(200), "a tar archive", UNPACK),
    "net.json": (b'{"class_name": "Sequential"}', "a JSON file", OURS),
    "notes.txt": (b"weights of the network\n1 2 3\n", "a text file that starts with 'weights of the network'", OURS),
    "high.bin": (b"\xff" * 5000, "of no kind that Heddle knows", OURS),
    "letters.txt": (("x" + 3000 * "\u00fc").encode(), f"a text file that starts with {'x' + 39 * chr(252)!r}", OURS),
    "fields.bin": (b"\x08\x01" * 200_000, "of no kind that Heddle knows", OURS),
    "noise.bin": (b"\xff\xfe\x07" * 50, "of no kind that Heddle knows", OURS),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_is_and_how_to_get_to_one_that_loads(tmp_path, name):
    content, what, remedy = FILES[name]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with pytest.raises(GraphError) as caught:
        load_file(path)
    assert str(caught.value) == f"{path}: is {what}; {remedy}"


def test_folders_and_what_cannot_be_read(tmp_path):
    with pytest.raises(GraphError, match=f"is a folder without model.npz; {OURS}"):
        load_file(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(GraphError) as caught:
        load_file(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a TensorFlow SavedModel; {CONVERTER}"
    with pytest.raises(GraphError, match=r"gone.tflite: cannot be read \(No such file or directory\)"):
        load_file(tmp_path / "gone.tflite")


def test_what_heddle_reads_loads_by_any_name(tmp_path):
    graph = load_file(write(tmp_path / "net.bin", GOOD, [POOL]))
    graph.save(tmp_path / "model.npz")
    (tmp_path / "model.npz").rename(tmp_path / "saved")
    assert load_file(tmp_path / "saved").types() == graph.types()


def test_a_damaged_model_of_heddles_is_one_line(tmp_path):
    load_file(write(tmp_path / "net.tflite", GOOD, [POOL])).save(tmp_path / "model.npz")
    data = bytearray((tmp_path / "model.npz").read_bytes())
    data[100] ^= 255                             # within the header's bytes: the archive's checksum is wrong
    (tmp_path / "model.npz").write_bytes(data)
    with pytest.raises(GraphError, match="model.npz: not a Heddle model"):
        load_file(tmp_path / "model.npz")


def test_a_tflite_file_that_is_cut_anywhere_is_one_line(tmp_path):
    """Flatbuffers are read from the end of the file to its start, so every length must be tried."""
    whole = write(tmp_path / "net.tflite", GOOD, [POOL]).read_bytes()
    path = tmp_path / "cut.tflite"
    for length in range(8, len(whole) - 8, 3):
        path.write_bytes(whole[:length])
        with pytest.raises(GraphError, match="^cut.tflite: "):
            load_file(path)


def test_a_tflite_file_with_one_byte_changed_loads_or_is_one_line(tmp_path):
    whole = write(tmp_path / "net.tflite", GOOD, [POOL]).read_bytes()
    path, loaded = tmp_path / "changed.tflite", 0
    for place in range(8, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1:])
        try:
            loaded += isinstance(load_file(path), Graph)
        except GraphError as error:
            assert "changed.tflite" in str(error)
            assert "\n" not in str(error)
    assert 0 < loaded < len(whole) - 8


@pytest.mark.parametrize("tensors, text", [
    ([tensor((1, 4, 4, 2), kind="FLOAT32"), tensor((1, 2, 2, 2), scale=1.0)],
     f"net.tflite: operator 0 MAX_POOL_2D: reads tensor 0, which is FLOAT32; inside a network Heddle computes with "
     f"INT8 alone: convert the network again with {FULL_INTEGER}"),
    ([tensor((1, 4, 4, 2), kind="INT16"), GOOD[1]],
     f"net.tflite: tensor 0 is INT16, not INT8; convert the network again with {FULL_INTEGER}"),
    ([tensor((2, 4, 4, 2)), GOOD[1]],
     "net.tflite: its input, tensor 0, is a batch of 2; Heddle runs one inference at a time; convert it again with a "),
    ([tensor((4,)), GOOD[1]],
     "net.tflite: operator 0 MAX_POOL_2D: tensor 0 has a shape of (4,); it takes one of 4 dimensions: convert the "),
    ([tensor((1, 4, 4, 2), scale=[], zero=[]), GOOD[1]],
     "net.tflite: tensor 0 is INT8 without a scale and a zero point; convert the network again with full-integer"),
    ([tensor((1, 4, 4, 2), scale=0.0), GOOD[1]], "net.tflite: tensor 0 has a scale of 0; a scale is above 0"),
    ([tensor((1, 4, 4, 2), scale=-0.5), GOOD[1]], "net.tflite: tensor 0 has a scale of -0.5; a scale is above 0"),
    ([tensor((1, 4, 4, 2), scale=np.nan), GOOD[1]], "net.tflite: tensor 0 has a scale of nan; a scale is above 0"),
    ([tensor((1, 4, 4, 2), scale=np.inf), GOOD[1]], "net.tflite: tensor 0 has a scale of inf; a scale is above 0"),
    ([tensor((1, 4, 4, 2), zero=128), GOOD[1]],
     "net.tflite: tensor 0 has a zero point of 128; one of INT8 is -128 to 127: get or convert the file again"),
    ([tensor((1, 4, 4, 2), scale=[0.1, 0.2], zero=[0, 0]), GOOD[1]],
     "net.tflite: tensor 0 has 2 scales; an activation has one: convert the network again"),
    ([tensor((1, -1, 4, 2)), GOOD[1]],
     "net.tflite: tensor 0 has a shape of (1, -1, 4, 2), with a dimension that is not known; convert the network"),
    ([tensor((1, 0, 4, 2)), GOOD[1]], "net.tflite: tensor 0 has a shape of (1, 0, 4, 2) and no element; remove it"),
    ([tensor((1, 1 << 30, 1 << 30, 1 << 30)), GOOD[1]],
     f"net.tflite: tensor 0 has {1 << 90} elements in a shape of (1, 1073741824, 1073741824, 1073741824); no board "),
    ([tensor((1,) * 7), GOOD[1]], "net.tflite: tensor 0 has 7 dimensions; Heddle takes 6 at most; reshape it"),
])
def test_a_tensor_that_does_not_fit_is_named(tmp_path, tensors, text):
    with pytest.raises(GraphError) as caught:
        load_file(write(tmp_path / "net.tflite", tensors, [POOL]))
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("kind, values, text", [
    ("UINT8", np.zeros(24, np.uint8),
     "tensor 1 is UINT8; of TFLite files Heddle reads INT8 and INT4 weights: convert the network again"),
    ("INT8", np.zeros(7, np.int8),
     "tensor 1 has 7 bytes of INT8 for a shape of (3, 8); the file is damaged: get it again"),
    ("INT4", np.zeros(13, np.int8),
     "tensor 1 has 13 bytes of INT4 for a shape of (3, 8); the file is damaged: get it again"),
    ("INT8", None, "tensor 1 holds weights that are computed at run time; Heddle takes constant ones"),
])
def test_constants_of_another_type_or_size_are_named(tmp_path, kind, values, text):
    tensors = [tensor((1, 8)), tensor((3, 8), kind=kind, data=values, scale=0.01), tensor((1, 3))]
    dense = operator("FULLY_CONNECTED", [0, 1], 2, "FullyConnectedOptions")
    with pytest.raises(GraphError) as caught:
        load_file(write(tmp_path / "net.tflite", tensors, [dense]))
    assert str(caught.value) == f"net.tflite: operator 0 FULLY_CONNECTED: {text}"


def test_scales_that_are_not_one_a_channel_are_named(tmp_path):
    tensors = [tensor((1, 8)), tensor((3, 8), data=np.zeros(24, np.int8), scale=[0.01] * 2, zero=[0] * 2),
               tensor((1, 3))]
    dense = operator("FULLY_CONNECTED", [0, 1], 2, "FullyConnectedOptions")
    with pytest.raises(GraphError, match="tensor 1 has 2 scales for 3 output channels; the file is damaged"):
        load_file(write(tmp_path / "net.tflite", tensors, [dense]))
