import pickle
from dataclasses import replace

import numpy as np
import pytest

from flows.run.step import canonical
from flows.train.data import DataSource, _loaded
from flows.train.training import Training
from sw.data import DataError
from sw.quant.config import TrainConfig


def test_the_digits_by_name():
    source = DataSource.of("digits")
    data = source.load()
    assert (source.name, source.content) == ("digits", data.digest)
    assert data.labels["test"].shape == (360,)


def test_the_name_does_not_count_and_the_content_does():
    source = DataSource.of("digits")
    assert canonical(source) == canonical(replace(source, name="elsewhere"))
    assert canonical(source) != canonical(replace(source, content="other"))


def test_a_worker_gets_the_name_and_not_the_arrays():
    """And reads them once."""
    sent = pickle.dumps(DataSource.of("digits"))
    assert len(sent) < 1000
    one, two = (pickle.loads(sent).load() for _ in range(2))
    assert one is two
    assert np.array_equal(one.labels["test"], DataSource.of("digits").load().labels["test"])


def test_a_set_that_is_not_there_is_an_error_before_any_work(tmp_path):
    with pytest.raises(DataError, match=r"^data 'cifar': unknown; choose "):
        DataSource.of("cifar")
    with pytest.raises(DataError):
        DataSource.of(f"mnist:{tmp_path}")


def test_data_that_changed_since_are_an_error():
    """A key would name what no longer is there."""
    source = replace(DataSource.of("digits"), content="other")
    with pytest.raises(DataError, match=r"data 'digits': is another than a moment ago; if a function makes it, seed"):
        source.load()


def test_a_users_file_that_gives_other_data_moves_the_key(tmp_path):
    """And one that gives the same, however it does it, does not."""
    keys = []
    for text in ("y = np.arange(60) % 2", "y = np.arange(60) % 2   # as before", "y = np.arange(60) // 30"):
        (tmp_path / "mine.py").write_text(f"import numpy as np\ndef f():\n    {text}\n"
                                          f"    return np.random.default_rng(0).normal(0, 1, (60, 4)), y\n",
                                          encoding="utf-8")
        _loaded.cache_clear()
        source = DataSource.of(f"{tmp_path / 'mine.py'}:f")
        keys.append(Training(config=TrainConfig(network="mlp"), data=source).digest)
    assert keys[0] == keys[1] != keys[2]


def test_a_function_that_draws_without_a_seed_is_seen(tmp_path):
    (tmp_path / "mine.py").write_text("import numpy as np\ndef f():\n    y = np.arange(60) % 2\n"
                                      "    return np.random.normal(0, 1, (60, 4)), y\n", encoding="utf-8")
    source = DataSource.of(f"{tmp_path / 'mine.py'}:f")
    assert source.load().digest == source.content               # read once
    _loaded.cache_clear()
    with pytest.raises(DataError, match="seed what it draws"):
        source.load()
