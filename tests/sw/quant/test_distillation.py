import pytest
import torch

from sw.quant.distillation import FOLLOWED, Seen, watched
from sw.quant.recipe import FOLLOWED as NAMES
from tests.sw.quant.test_run import started


def seen(*, features=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Seen(torch.randn(16, 4, generator=generator), torch.randn(16, features, generator=generator))


def follower(kind, student=6, teacher=6, temperature=2.0):
    return FOLLOWED[kind](student, teacher, temperature, torch.Generator().manual_seed(0))


def test_the_recipe_knows_all():
    assert tuple(FOLLOWED) == NAMES


@pytest.mark.parametrize("kind", ["response", "relation"])
def test_who_answers_alike_has_no_loss(kind):
    teacher, student = seen(), seen()
    assert float(follower(kind)(student, teacher)) == pytest.approx(0, abs=1e-5)
    assert float(follower(kind)(seen(seed=1), teacher)) > 0.01


def test_a_response_is_the_divergence_of_softened_answers():
    student, teacher = seen(), seen(seed=1)
    one, other = (torch.softmax(each.logits / 2, 1) for each in (student, teacher))
    expected = 4 * (other * (other.log() - one.log())).sum(1).mean()
    assert float(follower("response")(student, teacher)) == pytest.approx(float(expected), rel=1e-5)


def test_a_relation_knows_no_scale():
    one = seen()
    larger = Seen(one.logits, 7 * one.features)
    assert float(follower("relation")(larger, one)) == pytest.approx(0, abs=1e-6)


def test_features_are_projected_and_the_projection_learns():
    student, teacher, found = seen(features=3), seen(features=5, seed=1), follower("feature", 3, 5)
    (projection,) = found.parameters()
    assert projection.shape == (5, 3)
    before = found(student, teacher)
    before.backward()
    with torch.no_grad():
        projection -= 0.1 * projection.grad
        assert float(found(student, teacher)) < float(before.detach())


@pytest.mark.parametrize("network, features", [("mlp", 16), ("dscnn", 16)])
def test_features_are_what_the_last_layer_reads(digits, network, features):
    run = started(digits, network=network)
    found = watched(run.network)(run.images[:5])
    assert found.features.shape == (5, features) and found.logits.shape == (5, 10)
    last = run.network.products[-1]
    with torch.no_grad():
        scale = last.scales()
        total = found.features @ last.integers(scale).T * scale + last.bias
    assert torch.allclose(total, found.logits, atol=3 * last.range.scale)
