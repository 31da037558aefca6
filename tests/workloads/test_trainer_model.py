"""The decoder: its parts compute what their papers say, and its weights depend on seed and name only."""

import pytest
import torch
from torch import Tensor

from workloads.trainer.adapters import AdaptedLinear, adapt
from workloads.trainer.choices import Recompute
from workloads.trainer.main import learning_rate
from workloads.trainer.model import Attention, Decoder, initialise, rotary_table, rotate
from workloads.trainer.options import LearningOptions
from workloads.trainer.sizes import SIZES, Size
from workloads.trainer.steps import micro_batches, summed_loss

TINY = SIZES["tiny"]()
VOCABULARY = 320


def decoder(seed: int = 1, *, tied: bool = False, layers: range | None = None) -> Decoder:
    model = Decoder(TINY, VOCABULARY, tied=tied, layers=layers)
    initialise(model, seed)
    return model


def some_tokens() -> Tensor:
    return torch.randint(0, VOCABULARY, (2, 32), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("tied", [False, True])
def test_a_size_knows_its_parameters(name: str, *, tied: bool) -> None:
    with torch.device("meta"):
        model = Decoder(SIZES[name](), 32768, tied=tied)
    assert SIZES[name]().parameters(32768, tied=tied) == sum(parameter.numel() for parameter in model.parameters())


def test_sizes_reach_from_half_a_million_to_a_billion() -> None:
    assert 0.4e6 < SIZES["tiny"]().parameters(1024) < 0.7e6
    assert 0.9e9 < SIZES["large"]().parameters(32768) < 1.1e9


def test_a_stage_has_the_weights_that_the_whole_model_has() -> None:
    whole = dict(decoder().named_parameters())
    stages = [decoder(layers=range(2)), decoder(layers=range(2, 4))]
    parts = {name: value for stage in stages for name, value in stage.named_parameters()}
    assert parts.keys() == whole.keys(), "under the names of the whole model"
    assert all(torch.equal(parts[name], whole[name]) for name in whole), "whoever holds them"


def test_stages_one_after_the_other_compute_the_whole_model() -> None:
    stages = [decoder(layers=range(1)), decoder(layers=range(1, 3)), decoder(layers=range(3, 4))]
    x = some_tokens()
    for stage in stages:
        x = stage(x)
    assert torch.equal(x, decoder()(some_tokens()))


def test_another_seed_draws_other_weights() -> None:
    assert not torch.equal(next(decoder(1).parameters()), next(decoder(2).parameters()))


def test_an_untrained_model_knows_nothing() -> None:
    x = some_tokens()
    loss = summed_loss(decoder()(x), x).item() / x.numel()
    assert loss == pytest.approx(torch.log(torch.tensor(VOCABULARY)).item(), abs=0.05), "as good as guessing"


def test_no_position_sees_what_comes_after_it() -> None:
    model, x = decoder(), some_tokens()
    changed = x.clone()
    changed[:, 20:] = 7
    assert torch.equal(model(x)[:, :20], model(changed)[:, :20]), "the next token would be known"
    assert not torch.equal(model(x)[:, 20:], model(changed)[:, 20:])


def test_rotated_products_depend_on_the_distance_only() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(TINY.head, generator=generator).expand(1, 1, TINY.context, -1) for _ in range(2))
    table = rotary_table(TINY)
    products = rotate(query, table)[0, 0] @ rotate(key, table)[0, 0].T
    assert torch.allclose(products.diagonal(-3), products[3, 0], atol=1e-4), "three apart is three apart everywhere"
    assert not torch.allclose(products[3, 0], products[4, 0], atol=1e-2)


def test_grouped_attention_is_attention_with_repeated_keys() -> None:
    attention, x = Attention(TINY), torch.randn(2, 16, TINY.width, generator=torch.Generator().manual_seed(0))
    heads = [part(x).unflatten(-1, (-1, TINY.head)).transpose(1, 2) for part in (attention.query, attention.key)]
    query, key = (rotate(part, attention.rotary) for part in heads)
    value = attention.value(x).unflatten(-1, (-1, TINY.head)).transpose(1, 2)
    key, value = (part.repeat_interleave(TINY.heads // TINY.kv_heads, dim=1) for part in (key, value))
    scores = (query @ key.transpose(-1, -2) / TINY.head**0.5).masked_fill(~torch.ones(16, 16).tril().bool(), -torch.inf)
    expected = attention.output((scores.softmax(-1) @ value).transpose(1, 2).flatten(-2))
    assert torch.allclose(attention(x), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [Recompute.CHEAP, Recompute.ALL])
def test_computing_activations_again_changes_no_gradient(kind: Recompute) -> None:
    gradients = []
    for recompute in (Recompute.NOTHING, kind):
        model = decoder()
        for layer in model.layers.values():
            layer.recompute = recompute
        summed_loss(model(some_tokens()), some_tokens()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(kept, again) for kept, again in zip(*gradients, strict=True))


@pytest.mark.parametrize("kind", list(Recompute))
def test_layers_that_compute_again_can_be_compiled(kind: Recompute) -> None:
    gradients = []
    for compiled in (False, True):
        model = decoder()
        for layer in model.blocks():
            layer.recompute = kind
            if compiled:
                # The tracing is torch.compile's; without code generation, which takes a compiler and minutes.
                layer.compile(backend="aot_eager")
        summed_loss(model(some_tokens()), some_tokens()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for eager, traced in zip(*gradients, strict=True):
        torch.testing.assert_close(traced, eager)


def test_a_tied_model_has_one_matrix_for_both_ends() -> None:
    model = decoder(tied=True)
    assert "head.weight" not in dict(model.named_parameters())
    assert model(some_tokens()).shape == (2, 32, VOCABULARY)


def test_adapters_start_from_the_given_model_and_leave_its_weights_alone() -> None:
    model, x = decoder(), some_tokens()
    before = model(x).detach()
    weights = {name: value.clone() for name, value in model.named_parameters()}
    adapt(model, rank=4, alpha=8, seed=1)
    assert torch.equal(model(x), before), "the second thin matrix is zero"
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1.0)
    summed_loss(model(x), x).backward()
    optimizer.step()
    assert not torch.equal(model(x), before), "it learns"
    left = dict(model.named_parameters())
    assert all(torch.equal(left[name], weights[name]) for name in weights), "frozen, under their own names"
    adapted = [part for part in model.modules() if isinstance(part, AdaptedLinear)]
    assert len(adapted) == 7 * TINY.layers, "four of attention, three of feed-forward"


@pytest.mark.parametrize(
    ("share", "at_most", "at_least", "count"), [(12, 4, 1, 3), (12, 5, 1, 3), (7, 4, 1, 7), (4, 4, 2, 2)]
)
def test_micro_batches_are_equal_and_few(share: int, at_most: int, at_least: int, count: int) -> None:
    assert micro_batches(share, at_most=at_most, at_least=at_least) == count


def test_a_share_smaller_than_a_pipeline_has_no_micro_batches() -> None:
    with pytest.raises(ValueError, match="2 sequences per process cannot be cut into 4 or more"):
        micro_batches(2, at_most=1, at_least=4)


def test_the_learning_rate_goes_up_in_a_line_and_down_in_a_cosine() -> None:
    options = LearningOptions(steps=110, warmup=10, learning_rate=1.0, final_share=0.1)
    rates = {step: learning_rate(step, options) for step in (1, 5, 10, 60, 110)}
    assert rates == pytest.approx({1: 0.1, 5: 0.5, 10: 1.0, 60: 0.55, 110: 0.1}), "half way down at half time"


def test_every_named_size_has_even_heads_for_positions() -> None:
    sizes: list[Size] = [make() for make in SIZES.values()]
    assert all(size.head % 2 == 0 and size.heads % size.kv_heads == 0 for size in sizes)
