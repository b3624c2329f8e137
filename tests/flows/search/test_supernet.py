"""What gates learn of networks, with shared weights whose losses are given, and on a few digits."""

from dataclasses import replace

import numpy as np
import pytest

from flows.run.store import Store
from flows.search import supernet as module
from flows.search.space import Family, Precision, Space, families
from flows.search.supernet import WEIGHTS, Member, Supernet
from flows.train.data import DataSource
from sw.quant import supernet as networks

DATA = DataSource.of("digits")
SPACE = Space(networks=(Family(name="cnn", axes=(("width", (0.25, 0.5, 1.0, 2.0)), ("blocks", (1, 2, 3)))),
                        Family(name="mlp", axes=(("width", (0.5, 1.0)),))), precision=Precision(weight_bits=(8, 4)))


def size(choice):
    return choice.values["width"] * choice.values.get("blocks", 1) * (2 if choice.name == "cnn" else 1)


def supernet(space=SPACE, steps=600, seed=1):
    return Supernet(steps=steps, seed=seed, members=tuple(
        Member(choice=choice, config=space.config(choice), data=DATA, cost=1e-3 * size(choice) * choice.weight_bits)
        for choice in space.choices))


@pytest.fixture
def given(monkeypatch):
    """Losses by size, bits and network; what is trained is written down."""
    trained = []

    class Given:
        def __init__(self, seed):
            self.generator = np.random.default_rng(seed)

        def train(self, config, data, done):
            trained.append((config, done))

        def loss(self, config, data):
            size = config.width * dict(config.settings).get("blocks", 1) * (2 if config.network == "cnn" else 1)
            worse = 0.5 * (config.network == "mlp") + 0.2 * (config.weight_bits == 4)
            return 0.3 / (0.2 + size) + worse + 0.05 * self.generator.normal()

    monkeypatch.setattr(networks, "Supernet", Given)
    return trained


def likeliest(asked, store):
    return [asked.members[int(np.argmax(odds))].choice for odds in asked.value(store).odds]


def test_gates_go_from_good_ones_to_cheap_ones_as_cost_weighs_more(given, tmp_path):
    asked = supernet()
    learned = asked.value(Store(tmp_path))
    assert [sum(odds) for odds in learned.odds] == pytest.approx([1.0] * len(WEIGHTS))
    costs = [np.dot(odds, [member.cost for member in asked.members]) for odds in learned.odds]
    assert costs == sorted(costs, reverse=True) and costs[0] > 1.5 * costs[-1]
    first, *_, last = likeliest(asked, Store(tmp_path))
    assert first.name == "cnn" and (last.weight_bits, size(last)) == (4, min(map(size, SPACE.choices)))
    assert max(learned.odds[-1]) > 2 / len(asked.members) and learned.cpu_seconds > 0


@pytest.mark.parametrize("fault", ["score_function", "gradient"])
def test_gates_without_one_of_their_terms_do_not(given, tmp_path, monkeypatch, fault):
    """Planted faults: a gradient that is 0."""
    monkeypatch.setattr(module.Gates, fault, lambda self, given: np.zeros_like(self.logits))
    asked = supernet()
    first, *_, last = (np.dot(odds, [member.cost for member in asked.members])
                       for odds in asked.value(Store(tmp_path)).odds)
    if fault == "gradient":
        assert last > 0.6 * first, "nothing says that a network is dear"
    else:
        assert likeliest(asked, Store(tmp_path))[0].name == "mlp", "nothing says that one is poor"


def test_all_are_as_likely_until_losses_say_something(given, tmp_path):
    supernet(steps=2000).value(Store(tmp_path))
    warm = [config for config, done in given if done < module.WARMING]
    assert len(given) == 2000 and [done for _, done in given] == [step / 2000 for step in range(2000)]
    counts = np.array([warm.count(SPACE.config(choice)) for choice in SPACE.choices])
    mean = len(warm) / len(counts)
    assert np.abs(counts - mean).max() < 5 * mean ** 0.5


def test_it_is_made_once_and_another_cost_seed_or_number_of_steps_is_another(given, tmp_path):
    asked, store = supernet(steps=80), Store(tmp_path)
    assert asked.value(store) == asked.value(store) and len(given) == 80
    dearer = replace(asked.members[0], cost=1.0)
    others = [supernet(steps=81), supernet(steps=80, seed=2), replace(asked, members=(dearer, *asked.members[1:])),
              replace(asked, members=asked.members[1:])]
    assert len({asked.digest, *(other.digest for other in others)}) == 5


def test_networks_that_cost_alike_are_told_apart_by_their_losses(given, tmp_path):
    asked = supernet()
    alike = replace(asked, members=tuple(replace(member, cost=1e-3) for member in asked.members))
    assert all(np.isfinite(odds).all() for odds in alike.value(Store(tmp_path)).odds)
    assert {choice.name for choice in likeliest(alike, Store(tmp_path))} == {"cnn"}


def test_on_digits_the_same_seed_gives_the_same_odds(tmp_path):
    space = Space(networks=families("mlp", "dense", width=(0.25, 1.0)), precision=Precision(weight_bits=(8, 2)))
    asked = supernet(space, steps=24)
    one, again = (asked.value(Store(tmp_path / name)).odds for name in "ab")
    assert one == again != supernet(space, steps=24, seed=2).value(Store(tmp_path / "c")).odds


def test_a_users_function_counts_by_what_it_is_and_not_by_its_place(tmp_path):
    def asked(name, text):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.py").write_text(text)
        space = Space(networks=families(f"{tmp_path / name / 'own.py'}:net", width=(0.5, 1.0)))
        return supernet(space, steps=6)

    own = ("from torch import nn\n\n\ndef net(shape, classes, width=1.0):\n    wide = round(8 * width)\n"
           "    return nn.Sequential(nn.Flatten(), nn.Linear(64, wide), nn.ReLU(), nn.Linear(wide, classes))\n")
    here, there, other = asked("a", own), asked("b", own), asked("c", own.replace("8 *", "16 *"))
    assert here.digest == there.digest != other.digest
    assert len(here.value(Store(tmp_path / "store")).odds[0]) == 6
