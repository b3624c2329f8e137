"""What is compared of an image's run, with a rung that is the golden model and faults planted in it."""

from dataclasses import replace

import numpy as np

from flows.verify.images import ImageRung, terms_of
from hw.spec.commands import COUNTERS
from sw.compiler import compile_graph
from tests.support.ladder import ADDS, Plain, check, slower
from tests.support.layers import random_inputs


def test_a_fault_that_the_last_layer_hides_is_found(graph, inputs, program):
    def spoil(outputs, traffic):
        if outputs.shape[1] == program.layers[2].output.size:
            outputs[2, 7] ^= 1
    report = check(graph, inputs, rung=Plain(program, spoil))
    assert report.mismatches == 1
    first = report.first_mismatch
    assert (first.input, first.layer, first.position, first.channel) == (2, "avgpool_layer", (0, 1), 2)


def test_a_fault_before_the_softmax_is_found(residual):
    program = compile_graph(residual, ADDS)
    inputs = random_inputs(np.random.default_rng(4), residual, 4)

    def spoil(outputs, traffic):
        if outputs.shape[1] == 6:
            outputs[:, 0] = np.where(outputs[:, 0] > -100, -128, 127)
    report = check(residual, inputs, design=ADDS, rung=Plain(program, spoil))
    assert report.first_mismatch.layer == "dense"

    def spoil_inner(outputs, traffic):
        if outputs.shape[1] == 48:
            outputs[1, 7] ^= 1
    report = check(residual, inputs, design=ADDS, rung=Plain(program, spoil_inner))
    assert (report.first_mismatch.layer, report.first_mismatch.input, report.mismatches) == ("first", 1, 2)


def test_a_fault_under_bus_traffic_is_found(graph, inputs, program, tmp_path):
    def spoil(outputs, traffic):
        if traffic and outputs.shape[1] == 3:
            outputs[-1, 1] ^= 4
    report = check(graph, inputs, rung=Plain(program, spoil), trace=tmp_path / "waves")
    assert report.mismatches == 1
    assert (report.first_mismatch.layer, report.first_mismatch.input) == ("dense_layer", 4)
    assert report.first_mismatch.what == "value under bus traffic"
    assert (tmp_path / "waves").read_text() == "4"


def test_a_cycle_in_the_wrong_counter_is_found(graph, inputs, program):
    wrong = slower(slower(program, 1, "drain"), 1, "weight_load", by=-1)
    assert wrong.cycles == program.cycles
    report = check(graph, inputs, rung=Plain(program), program=wrong)
    cycles = program.layers[1].cycle_terms.weight_load
    assert str(report.first_mismatch) == (f"input 0, layer depthwise_layer: weight_load cycles {cycles}, expected "
                                          f"{cycles + 1}")


def test_a_level_without_counters_compares_layers(graph, inputs, program):
    rung = Plain(program)

    class Total(ImageRung):
        level = "soc"
        stops_anywhere = False

        def waves(self, image, inputs, file):
            raise AssertionError("no waves were asked for")

        def run(self, *arguments, **options):
            return replace(rung.run(*arguments, **options), counters=None)
    assert check(graph, inputs, level="soc", rung=Total()).ok
    report = check(graph, inputs, level="soc", rung=Total(), program=slower(program, 2))
    cycles = program.layers[2].cycles
    assert str(report.first_mismatch) == f"input 0, layer avgpool_layer: cycles {cycles}, expected {cycles - 1}"
    assert report.layers[0].counters is None and report.layers[0].predicted_counters["compute"] > 0


def test_waves_without_a_mismatch_are_of_the_first_input(graph, inputs, program, tmp_path):
    assert check(graph, inputs, rung=Plain(program), trace=tmp_path / "new" / "waves").ok
    assert (tmp_path / "new" / "waves").read_text() == "4"


def test_a_prediction_has_every_counter_of_the_log(program):
    for plan in program.layers:
        assert list(terms_of(plan)) == list(COUNTERS)
        assert sum(terms_of(plan).values()) == plan.cycles


def test_without_thoroughness_only_the_answers_are_compared(graph, inputs, program):
    def spoil(outputs, traffic):
        if traffic or outputs.shape[1] != 3:
            outputs[:] ^= 1
    assert check(graph, inputs, rung=Plain(program, spoil), thorough=False).ok
    assert not check(graph, inputs, rung=Plain(program, spoil)).ok


def test_where_no_other_image_can_follow_the_answer_is_named(graph, inputs, program):
    """Not the layer that went wrong first, which takes programs that end earlier."""
    def spoil(outputs, traffic):
        outputs[:, 0] ^= 1
    rung = Plain(program, spoil)
    assert check(graph, inputs, rung=rung, thorough=False).first_mismatch.layer == "conv_layer"
    rung.reloads = False
    assert check(graph, inputs, rung=rung, thorough=False).first_mismatch.layer == graph.layers[-1].name
