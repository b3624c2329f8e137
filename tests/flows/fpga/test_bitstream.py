import pytest

from flows.fpga.bitstream import BITSTREAM, Bitstream, pack
from flows.fpga.patch import PatchError, placeholder
from flows.run.store import Store
from hw.tools import ToolError
from tests.support.textcfg import config

SIZE = 2048


@pytest.fixture
def textcfg(tmp_path):
    """A device with one block RAM, which holds the placeholder."""
    (tmp_path / "top.config").write_text(config([list(placeholder(SIZE))]))
    return tmp_path / "top.config"


@pytest.mark.synth
def test_a_network_has_a_bitstream_of_its_own(textcfg, tmp_path):
    """Which is that of a design routed with its image, padded with zeros."""
    store, image = Store(tmp_path / "store"), bytes(range(100))
    step = Bitstream(textcfg=textcfg, image=image, memory_bytes=SIZE, word_bits=8)
    made = step.value(store)
    assert made.name == BITSTREAM and sorted(path.name for path in made.parent.glob("*.bit")) == [BITSTREAM]
    (tmp_path / "direct.config").write_text(config([[*image, *bytes(SIZE - len(image))]]))
    assert made.read_bytes() == pack(tmp_path / "direct.config", tmp_path / "direct" / "x.bit").read_bytes()
    assert [path.name for path in (tmp_path / "direct").iterdir() if "config" in path.name] == []
    assert step.value(store) == made and store.made == 1


@pytest.mark.synth
def test_what_cannot_be_packed_leaves_no_bitstream(tmp_path):
    (tmp_path / "top.config").write_text(".device LFE5U-26F\n")
    with pytest.raises(ToolError, match="^ecppack: "):
        pack(tmp_path / "top.config", tmp_path / "x.bit")
    assert [path.name for path in tmp_path.glob("x.bit*")] == ["x.bit.log"]


def test_a_memory_that_is_not_in_the_design_is_an_error(textcfg, tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(PatchError, match="bits of the memory are in no block RAM of it"):
        Bitstream(textcfg=textcfg, image=b"", memory_bytes=2 * SIZE, word_bits=8).value(store)
    assert store.made == 0
