"""What programs on the PATH say of themselves, and whether they will do."""

import time
from hashlib import sha256

import pytest

from hw.tools import TOOLS, locate, native
from hw.tools.native import Found, Probed, Versioned
from tests.support.native import BASE_PATH, program

ROUTER = Versioned(name="router", before="Version", least=(0, 7), older="lack `--report`")
PACKER = Probed(name="packer", arguments=("-s",), given=b"in\n", makes=sha256(b"made of in\n").hexdigest())


@pytest.fixture
def found(tmp_path):
    """What is found of a program with a script."""
    def look(asked, script):
        program(tmp_path, asked.name, script)
        return asked.look(f"{tmp_path}:{BASE_PATH}")
    return look


@pytest.mark.parametrize("said, version", [
    ('"nextpnr-ice40" -- Next Generation Place and Route (Version 0.7-1+b2)', "0.7-1+b2"),
    ('"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.7-12-g01beef)', "nextpnr-0.7-12-g01beef"),
    ("Project Trellis ecppack Version 1.4-2+b4", "1.4-2+b4"),
    ("a line before\nVersion 0.10 (git sha1 ab1, g++ 12.2)\na line after 0.1", "0.10 (git sha1 ab1, g++ 12.2)")])
def test_a_version_counts_in_full_and_by_its_number(found, tmp_path, said, version):
    assert found(ROUTER, f"cat >&2 <<'END'\n{said}\nEND\nexit 1") == Found(path=tmp_path / "router", version=version)


def test_yosys_says_it_after_its_name(tmp_path):
    program(tmp_path, "yosys", "echo 'Yosys 0.70+12 (git sha1 fee39a328, clang++ 18.1.8 -fPIC -O3)'")
    seen = TOOLS["yosys"].native.look(str(tmp_path))
    assert (seen.version, seen.fault) == ("0.70+12 (git sha1 fee39a328, clang++ 18.1.8 -fPIC -O3)", "")


@pytest.mark.parametrize("number, fault", [
    ("0.4", "is older than 0.7, and lack `--report`"), ("0.6.9", "is older than 0.7, and lack `--report`"),
    ("0.7", ""), ("0.7.1", ""), ("0.11.1", ""), ("1.0", "")])
def test_numbers_are_compared_and_not_letters(found, number, fault):
    assert found(ROUTER, f"echo '(Version {number})'").fault == fault


@pytest.mark.parametrize("script", ["true", "echo hello", "echo 'Version 5d1b2b8'", "printf 'Version \\377\\0'",
                                    "echo 0.9", "echo Version; echo 0.9"])
def test_nonsense_is_no_version(found, tmp_path, script):
    assert found(ROUTER, script) == Found(path=tmp_path / "router", fault="says no version that Heddle can read")


@pytest.mark.parametrize("asked", [ROUTER, PACKER])
def test_a_program_that_hangs_is_left_alone_with_all_that_it_started(found, tmp_path, monkeypatch, asked):
    monkeypatch.setattr(native, "VERSION_S", 0.3)
    begun = time.monotonic()
    assert found(asked, "echo Version 0.9; (sleep 5; touch late) & wait").fault == "does not answer within 0.3 s"
    assert time.monotonic() - begun < 4
    assert not (tmp_path / "late").exists()


def test_what_is_no_program_is_said(tmp_path):
    path = program(tmp_path, "router", "")
    path.write_bytes(b"\x7fELF and no more")
    assert ROUTER.look(str(tmp_path)).fault == "does not run (Exec format error)"
    path.chmod(0o644)
    assert ROUTER.look(str(tmp_path)) is None


def test_one_that_says_no_version_must_make_what_the_packaged_one_makes(found):
    good = found(PACKER, '[ "$1" = -s ] && printf "made of " && cat')
    assert good.fault == "" and good.version.startswith("sha256 ") and len(good.version) == 23
    other = found(PACKER, '[ "$1" = -s ] && printf "made of " && cat # a build of another day')
    assert other.fault == "" and other.version != good.version
    for script in ("printf 'made of '; cat; echo more", "true", "exit 1"):
        assert found(PACKER, script).fault == "makes something else of a probe than the packaged one"


@pytest.mark.synth
def test_the_packaged_icepack_makes_of_the_probe_what_is_written_down():
    assert TOOLS["icepack"].native.ask(locate("icepack")).fault == ""
