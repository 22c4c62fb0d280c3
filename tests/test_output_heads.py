"""The likelihoods of output_heads, what theory foretells of them, and its controls seen to fail."""

import math

import numpy as np
import pytest
import torch
from broken_studies import controls_of
from scipy import integrate, stats

from research.design.study_files import load_study
from studies.output_heads import HEADS, MATCHING, Heads, drawn, gap_foretold, log_mass, loss_of, wanted

FEWER = {"steps": 20}
FAULTS = {
    "as-in-scipy": ("gammaln(target + 1)", "gammaln(target + 2)"),
    "adds-up-to-one": ("- math.log(2)", "- 0.5"),
    "truth-is-best": ("target * outputs - np.logaddexp(0, outputs)", "target * outputs - np.logaddexp(0, outputs) / 2"),
    "nothing-to-learn": ('stream(seed, "dealt").permutation(every.inputs)', "every.inputs"),
    "other-targets": ("np.roll(target, 1, 0)", "np.roll(target, len(target), 0)"),
}


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("output_heads").controls}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    found = controls_of("output_heads", tmp_path, ("drawn", "drawn"), FAULTS, **FEWER)
    assert "refuted" not in found.values()


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("output_heads", tmp_path, FAULTS[control], [control], **FEWER) == {control: "refuted"}


def test_the_gaps_of_theory_are_kullback_leibler_divergences():
    for case, true, other in (
        ("laplace", stats.laplace(0, 1), stats.norm(0, math.sqrt(2))),
        ("normal", stats.norm(0, 1), stats.laplace(0, math.sqrt(2 / math.pi))),
    ):
        found, _ = integrate.quad(lambda y, t=true, o=other: t.pdf(y) * (t.logpdf(y) - o.logpdf(y)), -40, 40, limit=200)
        assert gap_foretold(case) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("data", MATCHING)
def test_heads_of_whole_numbers_are_trained_by_their_own_likelihood(data):
    """What a loss differs by between two outputs is what the mean log probability of the same targets differs by."""
    target = drawn(data, 0, 200)
    for head in ("sigmoid", "softmax", "poisson"):
        given = wanted(head, data, target)
        width = given.shape[1] if head != "softmax" else 64
        outputs = [np.random.default_rng(seed).standard_normal((200, width)) for seed in (1, 2)]
        losses = [loss_of(head, torch.from_numpy(each), torch.from_numpy(given)).item() for each in outputs]
        means = [log_mass(head, each, given).mean() / (1 if head == "softmax" else width) for each in outputs]
        assert losses[0] - losses[1] == pytest.approx(means[1] - means[0], abs=1e-12)


def test_the_probability_of_a_whole_number_far_out_is_not_lost_to_rounding():
    for head, law in (("normal", stats.norm), ("laplace", stats.laplace)):
        masses = log_mass(head, np.zeros((3, 1)), np.array([[0.0], [5.0], [-5.0]]))
        exact = [law.cdf(0.5) - law.cdf(-0.5), law.sf(4.5) - law.sf(5.5), law.cdf(-4.5) - law.cdf(-5.5)]
        np.testing.assert_allclose(masses, np.log(exact), rtol=1e-10)
        assert np.isfinite(log_mass(head, np.zeros((1, 1)), np.array([[60.0]]), 0.5)).all()


def test_examples_are_drawn_as_their_true_distribution_says():
    """The mean log probability of what was drawn is the mean entropy of the true distribution, to sampling."""
    target = drawn("bernoulli", 0, 20_000)
    p = 1 / (1 + np.exp(-target.truth[:, 0]))
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    assert -target.log_true.mean() == pytest.approx(entropy, abs=0.01)
    laplace = drawn("laplace", 0, 20_000)
    assert -laplace.log_true.mean() == pytest.approx(1 + math.log(4), abs=0.02)


def test_parts_share_no_example_and_a_matching_head_predicts_more_than_a_constant():
    task = Heads("categorical", steps=300)
    train, validation, test = task.parts(0)
    assert [len(part.index) for part in (train, validation, test)] == [2000, 1000, 10_000]
    assert not {row.tobytes() for row in train.inputs} & {row.tobytes() for row in test.inputs}
    assert task.compared(0)["over_constant"] > 0.1
    assert set(HEADS) == {"sigmoid", "softmax", "normal", "laplace", "poisson"}
