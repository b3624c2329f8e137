from dataclasses import replace

import pytest

from hw.soc.cpus import CPUS
from hw.spec.errors import HeddleError


@pytest.mark.parametrize("cpu", CPUS.values(), ids=CPUS)
def test_a_digest_is_of_all_that_decides_the_soc(cpu):
    assert cpu.digest == replace(cpu).digest
    for name, value in {"litex_variant": "other", "march": "rv32e", "start": (), "cycle_csr": "other",
                        "package": "numpy"}.items():
        assert replace(cpu, **{name: value}).digest != cpu.digest


def test_a_cpu_that_is_not_installed_names_the_way_out():
    absent = replace(CPUS["serv"], package="pythondata-cpu-absent")
    for ask in (absent.files, lambda: absent.digest):
        with pytest.raises(HeddleError, match="^pythondata-cpu-absent: not installed; run `make setup`$"):
            ask()
