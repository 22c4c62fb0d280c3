"""The exact numbers of attribution, and its controls seen to fail."""

import numpy as np
import pytest
import torch
from broken_studies import controls_of

from research.design.study_files import load_study
from studies.attribution import DUMMY, PATCHES, Explained, Image, coalitions, network_of, patch_of, ranks_agree, shapley

FEWER = {"num_train": 2000, "epochs": 2, "samples": 100, "images": 2}
FAULTS = {
    "linear-is-weights": ("slope * (self.image - self.base)", "slope * self.image * 2"),
    "linear-agrees": ("torch.from_numpy(patch_of())[None]", "torch.from_numpy(patch_of()[::-1].copy())[None]"),
    "dealt-out-disagree": ('rng.permutation(shares["shap"])', 'rng.permuted(shares["shap"][None], axis=0)[0]'),
    "without-biases-complete": ("torch.zeros_like(each)", "torch.ones_like(each)"),
    "shapley-adds-up": ("comb(PATCHES - 1, size)", "comb(PATCHES, size)"),
}


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("attribution").controls}


def test_no_exact_control_fails_where_nothing_is_broken(tmp_path):
    exact = {control.name for control in load_study("attribution").controls if control.kind == "identity"}
    found = controls_of("attribution", tmp_path, ("PATCHES", "PATCHES"), exact, range(5), **FEWER)
    assert found == dict.fromkeys(exact, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("attribution", tmp_path, FAULTS[control], [control], **FEWER) == {control: "refuted"}


def test_shapley_values_of_games_that_are_known():
    rng = np.random.default_rng(0)
    worth, pair = rng.standard_normal(PATCHES), np.zeros(PATCHES)
    np.testing.assert_allclose(shapley(coalitions() @ worth), worth, atol=1e-12)
    pair[[2, 7]] = 0.5  # what two are worth together they share
    np.testing.assert_allclose(shapley(coalitions()[:, 2] * coalitions()[:, 7] * 1.0), pair, atol=1e-12)
    every = (coalitions().sum(1) > 0) * 1.0
    np.testing.assert_allclose(shapley(every), np.full(PATCHES, 1 / PATCHES), atol=1e-12)


@pytest.fixture(scope="module")
def image():
    """A random network with a random image to explain."""
    torch.manual_seed(0)
    sizes = ((784, 8), (8, 8), (8, 10))
    layers = [(torch.randn(a, b, dtype=torch.float64) / a**0.5, torch.randn(b, dtype=torch.float64)) for a, b in sizes]
    network = network_of(layers, "relu", "logit")
    image, base = torch.rand(1, 784, dtype=torch.float64), torch.zeros(1, 784, dtype=torch.float64)
    return Image(network, image, base, 3, 0, 200)


def test_what_patches_are_worth_is_the_output_for_an_image_that_has_them_alone(image):
    present = np.random.default_rng(0).integers(0, 2, (20, PATCHES))
    images = torch.where(torch.from_numpy(present[:, patch_of()] == 1), image.image, image.base)
    with torch.no_grad():
        np.testing.assert_allclose(image.worth(present), image.network(images)[:, 3], atol=1e-12)


def test_shares_of_the_tools_are_those_of_formulas(image):
    slope = image.image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(image.network(slope)[0, 3], slope)
    np.testing.assert_allclose(image.gradient(), image.by_patch(gradient), atol=1e-12)
    steps = (torch.arange(20_000, dtype=torch.float64)[:, None] + 0.5) / 20_000
    path = (image.base + steps * (image.image - image.base)).requires_grad_()
    (along,) = torch.autograd.grad(image.network(path)[:, 3].sum(), path)
    integrated = image.by_patch(along.mean(0) * (image.image - image.base))
    assert np.abs(image.ig() - integrated).max() < 0.02 * np.abs(integrated).max()
    exact = shapley(image.worth(coalitions()))
    assert np.abs(image.shap() - exact).max() < 0.05 * np.abs(exact).max()


def test_without_the_patches_that_matter_most_the_output_falls(image):
    exact = shapley(image.worth(coalitions()))
    sign = np.sign(image.total)
    assert image.removed(sign * exact) > image.removed(-sign * exact)


def test_ranks_of_the_same_order_agree_and_none_of_what_has_no_order():
    assert ranks_agree(np.array([1.0, 2.0, 5.0]), np.array([0.1, 0.2, 0.3])) == pytest.approx(1)
    assert ranks_agree(np.array([1.0, 2.0, 5.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1)
    assert ranks_agree(np.array([1.0, 2.0]), np.zeros(2)) == 0


def test_the_ignored_patch_lies_in_the_middle_of_the_image():
    rows, columns = np.divmod(np.flatnonzero(patch_of() == DUMMY), 28)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 13, 7, 13)
    assert Explained().network.lr == 0.001
