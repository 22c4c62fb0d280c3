"""Do Integrated Gradients, SHAP and LIME keep what they promise of an MLP, and do they say the same of it?

Question. Document B (8.6) says that what a network has learnt cannot be read from its weights, and names three tools
that explain predictions after the fact. Whether an explanation is right no experiment can say; what the tools promise
can be tested: that shares add up to the difference of outputs (completeness, additivity), that an input which changes
nothing gets nothing (dummy), that networks which compute the same are explained alike (implementation invariance).

Cost. Some minutes, and the packages of the extra `catalogue`.

What to expect. Completeness of Integrated Gradients is a theorem about an integral, of which captum computes a sum of
50 terms; that of SHAP is a constraint of its regression. Plain gradients promise nothing of the kind. LIME fits a
penalised line near the image, and promises to be near. Completeness is not faithfulness: shares dealt out among the
patches at random add up as well.

A 784-64-64-10 network learns 10,000 images of MNIST; the output for its own guess is explained on ten test images of a
seed, in 16 patches of 7 × 7 pixels, against a black image. Numbers are those that the tools have by default. All was
fixed before any run but smoke.
"""  # noqa: RUF002

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Tier
from research.design.task import Report
from research.training.config import TrainConfig
from research.training.network_task import NetworkTask

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = np.ndarray
PATCHES, SOME = 16, 3  # of the images explained, some are explained in changed networks too
DUMMY = 5  # a patch near the middle, where there is ink
REMOVED = 4  # patches, a quarter of the image
METHODS = {"ig": "Integrated Gradients", "shap": "SHAP", "lime": "LIME", "gradient": "plain gradients",
           "times": "gradients times inputs"}  # fmt: skip
PAIRS = (("ig", "shap"), ("ig", "lime"), ("shap", "lime"))


@cache
def patch_of() -> Array:
    """Which of 4 x 4 patches each of 784 pixels is in."""
    row, column = np.divmod(np.arange(784), 28)
    found: Array = row // 7 * 4 + column // 7
    return found


@cache
def coalitions() -> Array:
    """All subsets of the patches [65536, 16], and which they are by their bits."""
    found: Array = (np.arange(2**PATCHES)[:, None] >> np.arange(PATCHES)) & 1
    return found


def shapley(values: Array) -> Array:
    """The Shapley values [16] of a game, from what every coalition is worth [65536], by their definition."""
    from math import comb

    sizes = coalitions().sum(1)
    weights = np.array([1 / PATCHES / comb(PATCHES - 1, size) for size in range(PATCHES)])
    found = np.empty(PATCHES)
    for patch in range(PATCHES):
        without = np.flatnonzero(coalitions()[:, patch] == 0)
        found[patch] = (weights[sizes[without]] * (values[without + (1 << patch)] - values[without])).sum()
    return found


def ranks_agree(one: Array, other: Array) -> float:
    """Spearman's correlation; 0 where one of them has no ranks."""
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0


def away(one: Array, other: Array) -> float:
    """The largest difference, as a share of the largest number."""
    return float(np.abs(one - other).max() / np.abs(other).max())


@dataclass(frozen=True)
class Explained(NetworkTask):
    """A trained network, whose guesses for images are explained by several methods."""

    imports = ("torch", "captum.attr", "shap", "research.training.plain", "research.training.data")
    extra = "catalogue"
    words: ClassVar[Mapping[str, str]] = {
        "biases": "biases that are kept", "baseline": "image compared with", "images": "images explained",
        "samples": "samples of LIME",
    }  # fmt: skip

    activation: str = "relu"
    width: int = 64
    epochs: int = 5  # of Adam at its customary rate: nineteen of twenty images are right then
    baseline: str = "black"
    output: str = "logit"
    biases: bool = True
    num_train: int = 10_000
    samples: int = 1000  # of LIME, as the authors' package has it for images
    images: int = 10

    @property
    def network(self) -> TrainConfig:
        return TrainConfig(
            dataset="mnist", depth=2, width=self.width, activation=self.activation, num_train=self.num_train,
            optimizer="adam", lr=0.001, epochs=self.epochs,
        )  # fmt: skip

    def seconds(self, num_seeds: int) -> float:
        return (1.0 + 0.4 * self.images) * num_seeds

    def gives(self) -> Mapping[str, Metric]:
        meaning = "in the median image, as a share of that difference"
        return {
            **{f"{name}_incomplete": Metric(label=f"what {word} leave of the difference of outputs", meaning=meaning,
                                            unit="%")
               for name, word in METHODS.items()},
            "shap_not_additive": Metric(label="what SHAP leaves of the difference of outputs in any image"),
            "exact_not_additive": Metric(label="what Shapley values leave of the difference of outputs in any image"),
            "from_shapley": Metric(label="difference of SHAP from Shapley values", meaning=meaning),
            **{f"{one}_{other}": Metric(label=f"rank correlation of {METHODS[one]} and {METHODS[other]}")
               for one, other in (*PAIRS, ("gradient", "shap"))},
            "agreement": Metric(label="smallest rank correlation of two of the three"),
            "dealt_agreement": Metric(label="rank correlation of SHAP and the same dealt out at random"),
            **{f"dummy_{name}": Metric(label=f"largest share of a patch that changes nothing, by {METHODS[name]}")
               for name in ("ig", "shap", "lime")},
            "twin_difference": Metric(label="difference from a network that computes the same, by both"),
            "from_weights": Metric(label="difference from weights times inputs, by both"),
            **{f"removed_{name}": Metric(label=f"fall of the output without the first patches of {word}", unit="%")
               for name, word in {**METHODS, "dealt": "SHAP dealt out at random"}.items()},
            "lead_over_dealt": Metric(label="lead of SHAP over the same dealt out at random in the fall of the output",
                                      unit="%"),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for row, seed in enumerate(seeds):
            yield Replicate(seed, self.numbers(seed))
            report((row + 1) / len(seeds))

    def trained(self, seed: int) -> list[tuple[Tensor, Tensor]]:
        """Weights [in, out] and biases of the three layers, trained in plain PyTorch as the harness trains."""
        import torch

        from research.training.cost import num_steps
        from research.training.data import load
        from research.training.plain import plain_parameters

        found = plain_parameters(self.network, seed, load("mnist"), num_steps(self.network))
        biases = found[3:6] if self.biases else [torch.zeros_like(each) for each in found[3:6]]
        return list(zip(found[:3], biases, strict=True))

    def chosen(self, seed: int) -> tuple[Tensor, Tensor]:
        """Test images of a seed [N, 784] from 0 to 1, and what they are compared with [1, 784]."""
        import torch

        from research.training.data import load

        data = load("mnist")
        chosen = torch.from_numpy(stream(seed, "explained images").permutation(len(data.test_inputs))[: self.images])
        scaled = (data.test_inputs[chosen].double() / 255, data.inputs.double().mean(0, keepdim=True) / 255)
        return scaled[0], scaled[1] if self.baseline == "mean" else torch.zeros_like(scaled[1])

    def numbers(self, seed: int) -> dict[str, float]:
        import torch

        layers, (images, base) = self.trained(seed), self.chosen(seed)
        network = network_of(layers, self.activation, self.output)
        with torch.no_grad():
            guesses = network(images).argmax(1)
        found: dict[str, list[float]] = {}
        rng = stream(seed, "dealt out")
        for number, (image, guess) in enumerate(zip(images[:, None], guesses.tolist(), strict=True)):
            explain = Image(network, image, base, guess, seed, self.samples)
            shares = {name: getattr(explain, name)() for name in METHODS}
            exact, total = shapley(explain.worth(coalitions())), explain.total
            dealt = rng.permutation(shares["shap"])
            for name, value in {
                **{f"{name}_incomplete": abs(share.sum() - total) / abs(total) for name, share in shares.items()},
                "exact_not_additive": abs(exact.sum() - total) / abs(total),
                "from_shapley": away(shares["shap"], exact),
                **{f"{a}_{b}": ranks_agree(shares[a], shares[b]) for a, b in (*PAIRS, ("gradient", "shap"))},
                "dealt_agreement": ranks_agree(shares["shap"], dealt),
                "from_weights": max(away(shares[name], shares["times"]) for name in ("ig", "shap")),
                **{f"removed_{name}": explain.removed(share) for name, share in {**shares, "dealt": dealt}.items()},
            }.items():
                found.setdefault(name, []).append(float(value))
            if number < SOME:
                changed = self.altered(layers, image, base, guess, seed, shares)
                for name, value in changed.items():
                    found.setdefault(name, []).append(value)
        largest = ("exact_not_additive", "from_weights", "dummy_ig", "dummy_shap", "dummy_lime", "twin_difference")
        means = ("dealt_agreement", *(name for name in found if "removed_" in name))
        joined = {name: float((np.max if name in largest else np.mean if name in means else np.median)(values))
                  for name, values in found.items()}  # fmt: skip
        return joined | {
            "shap_not_additive": max(found["shap_incomplete"]),
            "agreement": min(joined[f"{one}_{other}"] for one, other in PAIRS),
            "lead_over_dealt": joined["removed_shap"] - joined["removed_dealt"],
        }

    def altered(
        self,
        layers: list[tuple[Tensor, Tensor]],
        image: Tensor,
        base: Tensor,
        guess: int,
        seed: int,
        shares: Mapping[str, Array],
    ) -> dict[str, float]:
        """What methods say of a network that ignores a patch, and of one that computes the same with twice the units."""  # noqa: E501
        import torch

        (first, bias), (second, second_bias), last = layers
        blind = first.clone()
        blind[torch.from_numpy(patch_of() == DUMMY)] = 0
        ignoring = network_of([(blind, bias), *layers[1:]], self.activation, self.output)
        doubled = [(torch.cat([first, first], 1), torch.cat([bias, bias])),
                   (torch.cat([second / 4, 3 * second / 4]), second_bias), last]  # fmt: skip
        twin = network_of(doubled, self.activation, self.output)
        without, same = (Image(each, image, base, guess, seed, self.samples) for each in (ignoring, twin))
        parts = {name: getattr(without, name)() for name in ("ig", "shap", "lime")}
        dummies = {
            f"dummy_{name}": float(abs(each[DUMMY]) / max(np.abs(each).max(), 1e-300)) for name, each in parts.items()
        }
        return dummies | {"twin_difference": max(away(getattr(same, name)(), shares[name]) for name in ("ig", "shap"))}


def network_of(layers: Sequence[tuple[Tensor, Tensor]], activation: str, output: str) -> nn.Sequential:
    """A network of torch's layers in float64 with these weights [in, out] and biases."""
    import torch
    from torch import nn

    from research.training.plain import ACTIVATIONS

    pieces: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(weight.shape[0], weight.shape[1], dtype=torch.float64)
        linear.load_state_dict({"weight": weight.T, "bias": bias})
        pieces += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*pieces[:-1], *([nn.Softmax(1)] if output == "probability" else []))


@dataclass(frozen=True)
class Image:
    """One guess [class] of a network for an image [1, 784], compared with another image; shares are by patch [16]."""

    network: nn.Sequential
    image: Tensor
    base: Tensor
    guess: int
    seed: int
    samples: int

    def worth(self, present: Array) -> Array:
        """The output for the guess where only some patches [N, 16] are those of the image."""
        import torch

        # the first layer adds up patches, so that 65,536 images need not be made
        first, *rest = self.network
        with torch.no_grad():
            change = (self.image - self.base) * torch.from_numpy(patch_of() == np.arange(PATCHES)[:, None])
            parts = first(change) - first(0 * change)
            outputs = first(self.base) + torch.from_numpy(present).double() @ parts
            for piece in rest:
                outputs = piece(outputs)
        found: Array = outputs[:, self.guess].numpy()
        return found

    @property
    def total(self) -> float:
        """The difference of outputs that is to be explained."""
        base, whole = self.worth(np.array([[0] * PATCHES, [1] * PATCHES]))
        return float(whole - base)

    def by_patch(self, pixels: Tensor) -> Array:
        return np.bincount(patch_of(), pixels.detach().numpy()[0], PATCHES)

    def ig(self) -> Array:
        from captum.attr import IntegratedGradients

        return self.by_patch(IntegratedGradients(self.network).attribute(self.image, self.base, target=self.guess))

    def gradient(self) -> Array:
        from captum.attr import Saliency

        image = self.image.clone().requires_grad_()
        return self.by_patch(Saliency(self.network).attribute(image, target=self.guess, abs=False))

    def times(self) -> Array:
        import torch

        image = self.image.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.network(image)[0, self.guess], image)
        return self.by_patch(slope * (self.image - self.base))

    def shap(self) -> Array:
        """By as many coalitions as the package takes by default, without its choice of ten features."""
        from threading import RLock

        from tqdm import tqdm

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its colours use what Matplotlib will give up
            import shap
        tqdm.set_lock(RLock())  # its own is for processes too, and would be left over by a worker
        np.random.seed(self.seed)  # noqa: NPY002 (the package draws from it)
        explainer = shap.KernelExplainer(self.worth, np.zeros((1, PATCHES)))
        found: Array = explainer.shap_values(np.ones((1, PATCHES)), silent=True, l1_reg=False)[0]
        return found

    def lime(self) -> Array:
        import torch
        from captum.attr import Lime

        torch.manual_seed(self.seed)
        patches = torch.from_numpy(patch_of())[None]
        found: Tensor = Lime(self.network).attribute(
            self.image, self.base, target=self.guess, feature_mask=patches, n_samples=self.samples,
            perturbations_per_eval=100, return_input_shape=False,
        )  # fmt: skip
        array: Array = found[0].double().numpy()
        return array

    def removed(self, shares: Array) -> float:
        """By how much the output falls without the patches that have the largest shares, of the whole difference."""
        kept = np.ones((1, PATCHES), dtype=int)
        kept[0, np.argsort(-shares, kind="stable")[:REMOVED]] = 0
        return float(1 - (self.worth(kept)[0] - self.worth(0 * kept)[0]) / self.total)


def configure(network: str, activation: str, width: int, epochs: int, baseline: str, output: str) -> Explained:
    if network == "linear":
        return Explained("identity", width, epochs, baseline)
    if network == "without-biases":
        return Explained("relu", width, epochs, biases=False)
    return Explained(activation, width, epochs, baseline, output)


def of(metric: str, network: str = "trained") -> Number:
    return Number(metric, (network,), {}, "only", "only")


def control(
    name: str, text: str, metric: str, network: str, guards: Sequence[str], kind: str, **region: float
) -> Control:
    cells = ({"network": network},) if network != "trained" else ()
    return Control(name, text, of(metric, network), cells=cells, kind=kind, guards=tuple(guards), **region)  # type: ignore[arg-type]


def most(name: str, text: str, passage: str, metric: str, by_hand: str = "", **region: float) -> Claim:
    return Claim(name, text, passage, "most", of(metric), by_hand=by_hand, **region)


WITHIN = "five percent, at which the authors of Integrated Gradients ask for more steps"
METHOD_CLAIMS = (
    "integrated-gradients-complete", "shap-additive", "shap-is-shapley", "methods-agree",
    "dummy-by-integrated-gradients", "dummy-by-shap", "same-function-same-shares",
)  # fmt: skip
STUDY = Study(
    name="attribution",
    question="Do Integrated Gradients, SHAP and LIME keep what they promise of an MLP, and do they agree?",
    passage="B 8.6, B What the Limits Sketch",
    says="What a network has learnt cannot be read from its weights; SHAP, Integrated Gradients and LIME explain its "
    "predictions after the fact.",
    configure=configure,
    arms=Factor("network", ("trained",), words={
        "trained": "the trained network", "linear": "a network without activations",
        "without-biases": "a ReLU network without biases"}),
    blocks=(),
    choices=(
        Factor("activation", ("relu", "tanh", "gelu"), phrase="with {}", words={"relu": "ReLU", "gelu": "GELU"}),
        Factor("width", (64, 256), "hidden units", "with layers of {} units"),
        Factor("epochs", (5, 20), phrase="after {} epochs"),
        Factor("baseline", ("black", "mean"), "image compared with", "against a {} image", {"mean": "mean"}),
        Factor("output", ("logit", "probability"), "output explained", "with the {} explained"),
    ),
    universes=({"activation": "tanh"}, {"activation": "gelu"}, {"width": 256}, {"epochs": 20}, {"baseline": "mean"},
               {"output": "probability"}),
    universe_reasons="What the document leaves open, each alone: units, size and length of training, what an image is "
    "compared with, and which output is explained. Left out: other patches, more steps and samples, other data.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, overrides={"num_train": 1000, "epochs": 2, "samples": 200, "images": 3}),
    },
    headline=("ig_incomplete", "agreement"),
    direction="minimize",
    controls=(
        control("linear-is-weights", "Exact: of a network without activations shares are weights times inputs.",
                "from_weights", "linear", METHOD_CLAIMS, "identity", below=1e-6),
        control("linear-agrees", "An effect that must show: of such a network, which is a line, all agree.",
                "agreement", "linear", ("methods-agree",), "most", above=0.9),
        control("dealt-out-disagree", "An effect that must not show: shares dealt out at random do not agree.",
                "dealt_agreement", "trained",
                ("methods-agree", "complete-not-faithful"), "mean", above=-0.1, below=0.1),
        control("without-biases-complete", "Exact: without biases ReLU's gradients times inputs are complete.",
                "times_incomplete", "without-biases",
                ("plain-gradients-incomplete", "gradients-times-inputs-incomplete"), "identity", below=1e-9),
        control("shapley-adds-up", "Exact: Shapley values from all coalitions add up to the difference of outputs.",
                "exact_not_additive", "trained", ("shap-is-shapley",), "identity", below=1e-9),
    ),
    claims=(
        most("integrated-gradients-complete", "Integrated Gradients add up to the difference of outputs.", "B 8.6",
             "ig_incomplete", WITHIN, below=0.05),
        Claim("shap-additive", "SHAP's shares add up to the difference of outputs.", "B 8.6", "identity",
              of("shap_not_additive"), below=1e-6),
        most("shap-is-shapley", "From its sample of coalitions SHAP gets Shapley's values.", "project", "from_shapley",
             "five percent of the largest share, as of completeness", below=0.05),
        most("lime-incomplete", "LIME's weights do not add up to the difference of outputs.", "project",
             "lime_incomplete", WITHIN, above=0.05),
        most("plain-gradients-incomplete", "Plain gradients do not add up to it.", "project", "gradient_incomplete",
             WITHIN, above=0.05),
        most("gradients-times-inputs-incomplete", "Nor do gradients times inputs.", "project", "times_incomplete",
             WITHIN, above=0.05),
        # a correlation above 0.7 is commonly called strong
        most("methods-agree", "Integrated Gradients, SHAP and LIME order the patches alike.", "B 8.6", "agreement",
             "a rank correlation of 0.7 counts as agreement", above=0.7),
        Claim("dummy-by-integrated-gradients", "Integrated Gradients give nothing to a patch that changes nothing.",
              "project", "identity", of("dummy_ig"), below=1e-6),
        Claim("dummy-by-shap", "SHAP gives it nothing either.", "project", "identity", of("dummy_shap"), below=1e-6),
        Claim("dummy-by-lime", "LIME gives it nothing either.", "project", "identity", of("dummy_lime"), below=1e-6),
        Claim("same-function-same-shares", "Networks that compute the same are explained alike.", "project",
              "identity", of("twin_difference"), below=1e-6),
        most("complete-not-faithful", "Dealt out at random, as complete, SHAP names patches that matter less.",
             "project", "lead_over_dealt", above=0.0),
    ),
)  # fmt: skip
