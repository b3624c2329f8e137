import numpy as np
import pytest

from sw.data import judge, load_dataset


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def threes():
    return load_dataset("digits,normal=3")


def test_the_first_of_the_largest_outputs_is_the_answer(digits):
    labels = digits.labels["test"]
    outputs = np.eye(10)[labels]
    assert judge(digits, "test", outputs) == (360, 360)
    outputs[:, 0] = 1.0
    assert judge(digits, "test", outputs[:, None, None]) == ((labels == 0).sum(), 360)


def test_the_larger_error_is_the_anomalous_one(threes):
    targets, anomalous = threes.targets("test"), threes.labels["test"] == 1
    worse = targets + np.where(anomalous, 1.0, 0.5)[:, None]
    assert judge(threes, "test", worse).share == 1.0
    assert judge(threes, "test", targets + np.where(anomalous, 0.5, 1.0)[:, None]).share == 0.0
    equal = judge(threes, "test", targets + 1.0)
    assert equal.total == 2 * anomalous.sum() * (~anomalous).sum() and abs(equal.share - 0.5) < 0.2
    assert judge(threes, "test", np.zeros_like(targets) + targets).share == 0.5, "no error anywhere: half right"


def test_it_is_the_area_by_scikit_learn(threes):
    from sklearn.metrics import roc_auc_score

    outputs = np.random.default_rng(3).normal(0, 0.3, threes.targets("test").shape)
    errors = np.square(outputs - threes.targets("test")).mean(1)
    assert judge(threes, "test", outputs).share == pytest.approx(roc_auc_score(threes.labels["test"], errors))


def test_targets_are_in_torchs_order_and_in_the_largest_magnitude(tmp_path):
    values = np.zeros((60, 2, 2, 3), np.float32)
    values[:] = np.arange(12).reshape(2, 2, 3) - 20
    values[::7] *= 0.9
    np.savez(tmp_path / "a.npz", x=values, y=np.arange(60) % 2)
    data = load_dataset(f"npz:{tmp_path / 'a.npz'},normal=0")
    first = data.targets("test")[0] / data.targets("test")[0, 0]
    assert first == pytest.approx(np.array([20, 17, 14, 11, 19, 16, 13, 10, 18, 15, 12, 9]) / 20)
    assert np.abs(data.targets("train")).max() == pytest.approx(1.0, abs=0.01)
