"""Normalisations, skips, dropout and learnt slopes, against torch.nn, one replicate at a time."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from research.design.errors import UserError
from research.training.choices import CHOICES
from research.training.config import TrainConfig
from research.training.cost import num_parameters
from research.training.layer_pieces import EPSILON, Dropout
from research.training.measures import train_for
from research.training.models import network
from research.training.module import StackModule
from research.training.plain import plain_network
from research.training.train import train_stack

SEEDS = (4, 0, 7)
BASE = TrainConfig(dataset="digits", depth=3, width=12, num_train=200, batch_size=32, epochs=1, activation="tanh")
EXACT = {"rtol": 1e-10, "atol": 1e-12}
COMBINED = [
    dict(zip(("normalization", "skip", "branch_scale"), point, strict=True))
    for point in itertools.product(CHOICES["normalization"], CHOICES["skip"], (1.0, 0.3))
    if not (point[1] == "none" and point[2] != 1.0)
]


def alone(module, row):
    """One replicate as a network of torch.nn, from its own draws."""
    return plain_network(module.config, SEEDS[row])


@pytest.mark.parametrize(
    "options", [*COMBINED, {"activation": "prelu"}, {"activation": "prelu", "skip": "after"}], ids=str
)
def test_each_replicate_trains_as_it_does_alone_in_torch(options, digits):
    config = replace(BASE, optimizer="sgd", momentum=0.9, **options)
    if config.is_plain:
        config = replace(config, dropout=1e-300)  # nothing is left out, but the layer goes by way of its pieces
    module = StackModule(config, SEEDS, digits, torch.float64)
    theirs = [alone(module, row) for row in range(len(SEEDS))]
    optimizers = [torch.optim.SGD(each.parameters(), config.lr, momentum=0.9) for each in theirs]
    ours = module.configure_optimizers()
    module.on_train_epoch_start()
    for step in range(9):  # into the second epoch, over a last batch that is smaller
        module.take_step(step, ours)
        inputs, targets = module.lookup(module.order[:, (step % 7) * 32 : (step % 7 + 1) * 32])
        for row, (each, optimizer) in enumerate(zip(theirs, optimizers, strict=True)):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(each(inputs[row]), targets[row])
            loss.backward()
            optimizer.step()
            torch.testing.assert_close(module.step_losses[-1][row], loss.detach(), **EXACT)
    found = module.outputs(module.test_indices, test=True)
    for row, each in enumerate(theirs):
        each.eval()  # batch normalisation goes by what it has kept
        with torch.no_grad():
            expected = each(module.lookup(module.test_indices, test=True)[0][row])
        torch.testing.assert_close(found[row], expected, **EXACT)
        assert sum(p.numel() for p in each.parameters()) == num_parameters(config)


@pytest.mark.parametrize("options", [*COMBINED, {"dropout": 0.4, "skip": "after"}, {"activation": "prelu"}], ids=str)
def test_a_replicate_trains_alike_whoever_trains_beside_it(options, digits):
    """To rounding: products of other shapes may be summed in another order."""
    config = replace(BASE, **options)
    together, by_itself = (StackModule(config, seeds, digits, torch.float64) for seeds in (SEEDS, SEEDS[1:2]))
    for module in (together, by_itself):
        train_for(module, 9)
    for ours, theirs in zip(together.model.state_dict().values(), by_itself.model.state_dict().values(), strict=True):
        torch.testing.assert_close(ours[1], theirs[0], **EXACT)


@pytest.mark.parametrize("activation", [name for name in CHOICES["activation"] if name != "step"])
@pytest.mark.parametrize("normalization", CHOICES["normalization"])
def test_a_hundred_steps_end_where_plain_torch_ends(activation, normalization):
    config = replace(
        BASE, activation=activation, normalization=normalization, skip="after", measures=("alone",), num_train=0
    )
    found = [replicate.metrics["alone_difference"] for replicate in train_stack(config, SEEDS).replicates]
    assert max(found) < 1e-9


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    dropout, inputs = Dropout(0.3, SEEDS, layer=1), torch.ones(3, 500, 200, dtype=torch.float64)
    first, second = (dropout(inputs, training=True) for _ in range(2))
    assert dropout(inputs, training=False) is inputs
    assert set(first.unique().tolist()) == {0.0, 1 / 0.7}
    for masks in (first, second):
        shares = (masks == 0).double().mean((1, 2))
        assert (shares - 0.3).abs().max() < 0.006  # four standard errors of 100,000 draws
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    again = Dropout(0.3, SEEDS[::-1], layer=1)(inputs, training=True)
    assert torch.equal(again[2], first[0])  # by the seed, not by the place
    assert not torch.equal(Dropout(0.3, SEEDS, layer=2)(inputs, training=True), first)


def test_dropout_is_for_training_alone_and_its_gradient_goes_where_units_are_left(digits):
    module = StackModule(replace(BASE, dropout=0.5), SEEDS, digits, torch.float64)
    inputs = module.lookup(module.test_indices, test=True)[0]
    assert torch.equal(module.model(inputs), module.model(inputs))
    plain = StackModule(BASE, SEEDS, digits, torch.float64)
    assert torch.equal(module.model(inputs), plain.model(inputs))
    piece = module.model.pieces[0].dropout
    leaf = torch.ones(3, 5, 7, dtype=torch.float64, requires_grad=True)
    out = piece(leaf, training=True)
    out.sum().backward()
    assert torch.equal(leaf.grad, out.detach())


def test_running_means_are_part_of_the_digest_of_a_network(digits):
    config = replace(BASE, normalization="batch", epochs=0)
    untouched = train_stack(config, SEEDS)
    module = StackModule(config, SEEDS, digits)
    from research.training.train import weights_sha256

    assert [r.weights_sha256 for r in untouched.replicates] == [weights_sha256(module, row) for row in range(3)]
    module.model.pieces[1].normalization.mean[1, 0, 3] += 1
    changed = [weights_sha256(module, row) for row in range(3)]
    same = [one == other.weights_sha256 for one, other in zip(changed, untouched.replicates, strict=True)]
    assert same == [True, False, True]


def test_batch_normalisation_sees_the_whole_batch_however_large(monkeypatch, digits):
    """What is sliced for the cache in other networks goes through in one piece here."""
    monkeypatch.setattr("research.training.cost.SLICE_BYTES", 4 * 12 * 3 * 16)
    small = StackModule(replace(BASE, normalization="batch"), SEEDS, digits, torch.float64)
    assert small.slice_size == 16
    losses = small._by_autograd(small.indices_of(0), 0)
    monkeypatch.undo()
    whole = StackModule(replace(BASE, normalization="batch"), SEEDS, digits, torch.float64)
    assert torch.equal(losses, whole._by_autograd(whole.indices_of(0), 0))


def test_a_constant_unit_is_normalised_to_zero():
    model = network(replace(BASE, normalization="batch"), SEEDS, torch.float64)
    norm = model.pieces[0].normalization
    found = norm(torch.full((3, 8, 12), 5.0, dtype=torch.float64), True)
    assert torch.equal(found, torch.zeros_like(found))
    assert norm.mean.unique().tolist() == [0.5]
    np.testing.assert_allclose(norm.variance.unique().tolist(), [0.9])
    assert EPSILON == nn.LayerNorm(3).eps == nn.BatchNorm1d(3).eps


def test_a_last_batch_of_one_example_is_refused_where_it_would_be_normalised():
    with pytest.raises(UserError, match="of 33 the last batch of 32 has one"):
        train_stack(replace(BASE, normalization="batch", num_train=33), SEEDS)


def test_a_skip_carries_a_signal_through_a_hundred_layers_that_stops_without_it():
    """He and others 2016: the identity passes back what a plain chain of tanh under a small start loses."""
    config = replace(BASE, depth=100, init="normal", init_std=0.05, epochs=1, probe_epochs=(0,))
    found = {}
    for skip in ("none", "after"):
        (replicate, *_) = train_stack(replace(config, skip=skip), (0,)).replicates
        (_, first), (_, last) = (replicate.curves[f"backward_norm/layer_{layer}"][0] for layer in (2, 100))
        found[skip] = first / last
    assert found["none"] < 1e-30
    assert 0.1 < found["after"] < 1e3
