from dataclasses import replace

import pytest

from flows.run.progress import listening
from flows.search import job as module
from flows.search.job import DataFacts, ExploreError, explore
from flows.search.point import Failed
from flows.search.trainings import Drafts, Trained, TrainError
from hw.spec.errors import HeddleError
from hw.spec.presets import PRESETS
from sw.data import load_dataset
from tests.support.jobs import model_request, small_request
from tests.support.listener import Heard


@pytest.fixture
def request_(tmp_path, monkeypatch):
    return small_request(tmp_path, monkeypatch)


def refuse_work(monkeypatch):
    for name in ("Trainer", "measure_best"):
        monkeypatch.setattr(module, name, lambda *arguments, **more: pytest.fail("worked"))


def test_an_exploration_has_all_that_was_found(request_):
    results = explore(request_)
    found = results.exploration
    assert {point.id for point in found.points} == set(results.files) and found.looked == 12
    assert {point.candidate.chip.multiplier for point in found.trials} >= {"trunc", "dsp"} and len(found.trials) > 2
    assert [(told.choice.id, told.cost is None, told.accuracy) for told in found.told] == [
        ("mlp-1-w8", False, max(point.metrics.valid_accuracy for point in found.trials))]
    assert [point.measurement is not None for point in found.points].count(True) == 1
    assert found.data == DataFacts.of(load_dataset("digits"))
    assert found.data.counts == {"train": 1257, "valid": 180, "test": 360}
    assert found.failures[0].reason == "hung" and found.space.search.trials == 9
    assert {"heddle", "python", "torch", "yosys"} <= set(found.versions)
    assert (request_.out / "study.db").exists()


@pytest.mark.parametrize("wish, misses, remedy", [
    ({"min_accuracy": 0.99}, "valid_accuracy", r"lower --min-accuracy, which is asked of the validation split, to "
                                              r"0\.\d+, or add wider networks to the space$"),
    ({"max_latency": 1e-9}, "latency_s", r"raise --max-latency to \S+, or add larger arrays to the space$"),
])
def test_a_requirement_that_nothing_meets_says_what_is_closest_and_what_to_change(request_, wish, misses, remedy):
    with pytest.raises(ExploreError, match=rf"^none of \d candidates meets the requirement \({misses} excludes \d\); "
                                           rf"the closest, mlp-1-w8-\S+, misses {misses} by \d+%; {remedy}"):
        explore(replace(request_, **wish))


def test_a_clock_that_nothing_reaches_is_refused_before_any_training(request_, monkeypatch):
    refuse_work(monkeypatch)
    space = request_.space_file.read_text()
    request_.space_file.write_text(space.replace("[hardware]", "[hardware]\nclock_mhz = 200.0"))
    with pytest.raises(ExploreError, match=r"^clock_mhz = 200: no design of the space is estimated to run above "
                                           r"\d+\.\d MHz; lower clock_mhz in \[hardware\] to \d+ or less$"):
        explore(request_)


def test_networks_that_nothing_runs_are_failures_and_the_others_go_on(request_, monkeypatch):
    request_.space_file.write_text(request_.space_file.read_text(encoding="utf-8").replace(
        "width = 1.0", "width = [1.0, 2.0]"), encoding="utf-8")
    right = module.Trainer.draft

    def draft(self, choices):
        failed = Failed(id=choices[1].id, doing="compiling, before training", reason="none of 12 designs fits")
        return Drafts(models={choices[0]: right(self, choices).models[choices[0]]}, failures=(failed,))

    monkeypatch.setattr(module.Trainer, "draft", draft)
    found = explore(request_).exploration
    assert [(told.choice.id, told.cost is None) for told in found.told] == [("mlp-1-w8", False), ("mlp-2-w8", True)]
    assert [(each.id, each.reason) for each in found.failures] == [
        ("mlp-2-w8", "none of 12 designs fits"), ("x", "hung")]


def test_a_space_that_nothing_runs_is_refused_before_any_training(request_, monkeypatch):
    monkeypatch.setattr(module.Trainer, "train", lambda self, choices: pytest.fail("trained"))
    monkeypatch.setattr(module.Trainer, "draft", lambda self, choices: Drafts(
        models={}, failures=(Failed(id="mlp-1-w8", doing="", reason="none of 12 designs fits: bram excludes 12"),)))
    with pytest.raises(ExploreError, match=r"^no network of the space runs on its hardware; the first, mlp-1-w8: none "
                                           r"of 12 designs fits: bram excludes 12$"):
        explore(request_)


def test_a_space_in_which_every_training_fails_says_why(request_, monkeypatch):
    failed = Failed(id="mlp-1-w8", doing="training", reason="out of memory")
    monkeypatch.setattr(module.Trainer, "train", lambda self, choices: Trained(failures=(failed,)))
    with pytest.raises(TrainError, match=r"^no network could be trained; the first, mlp-1-w8: out of memory$"):
        explore(request_)


def test_a_sampled_space_takes_no_products_that_err(request_, monkeypatch):
    """What was measured of them is trained with in all networks, and then compared."""
    refuse_work(monkeypatch)
    request_.space_file.write_text(request_.space_file.read_text(encoding="utf-8").replace(
        "width = 1.0", "width = [0.5, 1.0, 2.0]").replace("trials = 9", "trials = 2"), encoding="utf-8")
    with pytest.raises(HeddleError, match=r"^\[search\] trials = 2: a space of 3 networks is sampled, and multiplier "
                                          r"'trunc' errs, whose feedback takes all networks; raise trials, or "):
        explore(request_)


def test_options_of_the_data_are_read_before_any_work(request_, monkeypatch):
    refuse_work(monkeypatch)
    request_.space_file.write_text(request_.space_file.read_text(encoding="utf-8") + "[data]\nnoise = [1, 2]\n",
                                   encoding="utf-8")
    with pytest.raises(HeddleError, match=r"digits.*noise"):
        explore(request_)


def test_what_is_odd_about_the_data_is_noted(request_, monkeypatch):
    heard = Heard()
    data = replace(load_dataset("digits"), warnings=("class 2 has no input",))
    monkeypatch.setattr(module.DataSource, "load", lambda source: data)
    with listening(heard):
        explore(request_)
    assert heard.noted_ == ["warning: class 2 has no input"]


@pytest.mark.parametrize("options, says", [
    ({"boards": ("zynq",)}, "board 'zynq': unknown"),
    ({"data": "digits:x"}, "take no path"),
])
def test_wrong_requests(request_, options, says):
    with pytest.raises(HeddleError, match=says):
        explore(replace(request_, **options))


def test_an_unknown_network(request_):
    request_.space_file.write_text("[networks.resnet]\n", encoding="utf-8")
    with pytest.raises(HeddleError, match=r"space\.toml: network 'resnet': unknown; choose mlp, dscnn, "):
        request_.space()


def test_hardware_is_searched_for_a_model_with_data(tmp_path, monkeypatch):
    found = explore(model_request(tmp_path, monkeypatch, data="digits", min_accuracy=0.01)).exploration
    assert (found.model, found.task) == ("mlp", "mlp on digits") and found.data.counts["test"] == 360
    accuracies = {point.metrics.accuracy for point in found.trials}
    assert len(found.trials) > 1 and len(accuracies) == 1 and None not in accuracies and found.looked == 8


def test_networks_are_searched_for_a_design(tmp_path, monkeypatch):
    request = replace(small_request(tmp_path, monkeypatch), design="ecp5-25", boards=("ulx3s-45",))
    found = explore(request).exploration
    assert {point.built for point in found.points} == {replace(PRESETS["ecp5-25"], board="ulx3s-45")}
    assert len(found.trials) == found.looked == 1 and found.data.name == "digits" and not found.model


@pytest.mark.parametrize("options, says", [
    ({"model": "kws.tflite", "design": "ecp5-25"}, r"^--model and --design: nothing is left to search; ask `heddle "
                                                   r"estimate` or `heddle verify`, or leave one of them out$"),
    ({"model": "kws.tflite", "min_accuracy": 0.9}, r"^--min-accuracy 0.9: without data a model has no accuracy; add "
                                                   r"--data SOURCE, or leave it out$"),
    ({"model": "kws.tflite"}, r"^model 'kws.tflite': no such file or folder$"),
    ({"design": "ecp5"}, r"^design 'ecp5': neither a preset"),
    ({"design": "ecp5-25", "boards": ("icebreaker",)}, r"^requantizer_dsps=4: no multiplier block of the ice40"),
    ({"design": "ecp5-85", "boards": ("ulx3s-12",)}, r"^design \S.* on board 'ulx3s-12': lut \d+ of 24288; choose a "
                                                     r"larger board or a smaller design$"),
])
def test_what_leaves_nothing_to_search_is_refused_before_any_work(request_, monkeypatch, options, says):
    refuse_work(monkeypatch)
    with pytest.raises(HeddleError, match=says):
        explore(replace(request_, **options))


@pytest.mark.parametrize("wish, remedy", [
    ({"data": "digits", "min_accuracy": 0.99}, "or give a better model$"),
    ({"max_latency": 1e-9}, "or add larger arrays to the space$"),
])
def test_a_model_that_misses_a_limit_is_not_told_to_train(tmp_path, monkeypatch, wish, remedy):
    with pytest.raises(ExploreError, match=remedy):
        explore(model_request(tmp_path, monkeypatch, **wish))
