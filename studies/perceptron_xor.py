"""Why can one perceptron not compute XOR, and do two hidden units?

Question. Documents A and B tell the story of the perceptron: its rule converges on separable data and never on XOR,
since no line gets more than three of the four points right; one hidden layer bends the plane so that a line is enough.
A says that the two points of class 1 are pinched into one there, B gives another network by hand.

Cost. Seconds for each cell, all tiers.

What to expect. What mathematics proves is computed for every line and every cycle, not sampled. What training does is
another matter: two sigmoid units can compute XOR, but descent may stop short of it or find another way than A's.

A trains no network, B names none of the settings: the start is PyTorch's default, full-batch gradient descent at rate
1 for 10,000 steps, as is common for XOR with sigmoid units. Where the documents are silent the alternatives are
universes: how bits are coded, which activation, which optimiser. All was fixed before the first full run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier, crossed
from research.design.task import Points, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from research.record.frames import Frames

Array = np.ndarray

BITS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
LABELS = {"and": np.array([0, 0, 0, 1]), "or": np.array([0, 1, 1, 1]), "xor": np.array([0, 1, 1, 0])}
XOR = LABELS["xor"]
MOST_PASSES = 100_000
NO_NUMBER = math.nan


def coded(signs: bool) -> Array:
    """The four points as they are shown to a network: bits, or -1 and 1."""
    return 2.0 * BITS - 1 if signs else BITS.astype(float)


@dataclass(frozen=True)
class Perceptron(Task):
    """Rosenblatt's rule, pass after pass in a seed's own order, until a pass has no mistake or the weights come again.

    The weights are whole numbers on the four points, so what comes again goes on for ever. "apart" are 100 points in a
    square that a line of the seed's own separates with a margin of 0.05.
    """

    problem: str
    signs: bool = False

    def gives(self) -> Mapping[str, Metric]:
        known = {
            "converged": Metric(label="whether a pass had no mistake"),
            "fewest_wrong": Metric(label="fewest points that were wrong after any pass"),
        }
        bound = Metric(
            label="updates as a share of Novikoff's bound", meaning="(R / margin)², of the line drawn for them"
        )
        return known | ({"novikoff_share": bound} if self.problem == "apart" else {})

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        return map(self.replicate, seeds)

    def replicate(self, seed: int) -> Replicate:
        rng = stream(seed, f"perceptron, {self.problem}")
        if self.problem == "apart":
            (*line, offset), points = rng.standard_normal(3), rng.uniform(-1, 1, (2000, 2))
            distance = (points @ line + offset / 2) / np.linalg.norm(line)
            points, distance = points[abs(distance) > 0.05][:100], distance[abs(distance) > 0.05][:100]
            target, weights = np.sign(distance), np.zeros(3)
        else:
            points, target = coded(self.signs), 2 * LABELS[self.problem] - 1
            weights = rng.integers(-5, 6, 3).astype(float)
        inputs = np.column_stack([points, np.ones(len(points))])
        order, fewest, updates, mistakes = rng.permutation(len(points)), len(points), 0, 1
        seen: set[tuple[float, ...]] = set()
        while mistakes and tuple(weights) not in seen and len(seen) < MOST_PASSES:
            seen.add(tuple(weights))
            mistakes = 0
            for row in order:
                if target[row] * (inputs[row] @ weights) <= 0:
                    weights = weights + target[row] * inputs[row]
                    mistakes += 1
            updates += mistakes
            fewest = min(fewest, int((target * (inputs @ weights) <= 0).sum()))
        is_known = not mistakes or tuple(weights) in seen
        found = {"converged": float(not mistakes), "fewest_wrong": float(fewest) if is_known else NO_NUMBER}
        if self.problem == "apart":
            separator = np.array([*line, offset / 2])
            margin = (target * (inputs @ separator)).min() / np.linalg.norm(separator)
            bound = ((inputs**2).sum(1).max()) / margin**2
            found["novikoff_share"] = updates / bound if is_known else NO_NUMBER
        return Replicate(seed, found)


@dataclass(frozen=True)
class EveryLine(Task):
    """All ways in which a line can part four corners of a parallelogram of the seed's own, each line there is.

    A line that parts points can be moved, without changing what it parts, until it goes through two of them; these may
    lie on either side of it.
    """

    def gives(self) -> Mapping[str, Metric]:
        return {
            "dichotomies": Metric(promised=True, label="ways in which a line can part the four points"),
            "most_right": Metric(promised=True, label="points that the best line has right"),
        }

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            corners = BITS @ stream(seed, "parallelogram").standard_normal((2, 2))
            parted = {(side,) * 4 for side in (0, 1)}
            for one in range(4):
                for two in range(one):
                    across = np.array([[0, 1], [-1, 0]]) @ (corners[one] - corners[two])
                    sides = ((corners - corners[one]) @ across > 0).astype(int)
                    for ends in BITS:
                        sides[[one, two]] = ends
                        parted |= {tuple(sides.tolist()), tuple((1 - sides).tolist())}
            right = max(int((np.array(way) == XOR).sum()) for way in parted)
            yield Replicate(seed, {"dichotomies": float(len(parted)), "most_right": float(right)})


@dataclass(frozen=True)
class ByHand(Task):
    """A network of steps: B's, of AND-NOT units and an OR, or A's, of a unit for any bit and one for both."""

    network: str

    def gives(self) -> Mapping[str, Metric]:
        wrong = Metric(promised=True, label="points that are wrong")
        return {"wrong": wrong, "pinch": PINCH, "h1": Metric(by="place"), "h2": Metric(by="place")}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        first, second = BITS.T
        if self.network == "and-not":
            hidden = np.column_stack([first - second > 0.5, second - first > 0.5]).astype(float)
            output = hidden.sum(1) > 0.5
        else:
            hidden = np.column_stack([first + second > 0.5, first + second > 1.5]).astype(float)
            output = hidden[:, 0] - hidden[:, 1] > 0.5
        found = {"wrong": float((output != XOR).sum()), "pinch": pinch(hidden)}
        return (Replicate(seed, found, {}, images(hidden)) for seed in seeds)


PINCH = Metric(
    label="distance between the images of the two points of class 1",
    meaning="in the hidden layer, over the mean distance between an image of class 1 and one of class 0",
)


def pinch(hidden: Array) -> float:
    """The distance between the two images of class 1 over the mean distance between images of different classes."""
    apart = [np.linalg.norm(hidden[one] - hidden[two]) for one in (1, 2) for two in (0, 3)]
    return float(np.linalg.norm(hidden[1] - hidden[2]) / np.mean(apart)) if np.mean(apart) else NO_NUMBER


def images(hidden: Array) -> Points:
    """The images of the four points in the hidden layer, as profiles."""
    return {f"h{unit + 1}": tuple(enumerate(map(float, hidden[:, unit]))) for unit in range(2)}


ACTIVATIONS: Mapping[str, tuple[Any, Any]] = {  # with their derivatives
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, h: h * (1 - h)),
    "tanh": (np.tanh, lambda z, h: 1 - h**2),
    "relu": (lambda z: np.maximum(z, 0), lambda z, h: (z > 0).astype(float)),
    "identity": (lambda z: z, lambda z, h: np.ones_like(z)),
}


@dataclass(frozen=True)
class TwoUnits(Task):
    """A network 2-2-1 with a sigmoid at its end, trained on the four points by cross-entropy, all seeds side by side.

    What is read at the end is the median of five evaluations in the last tenth.
    """

    activation: str = "sigmoid"
    optimizer: str = "descent"
    rate: float = 1.0
    steps: int = 10_000
    signs: bool = False

    def gives(self) -> Mapping[str, Metric]:
        return {
            "right": Metric(label="points that are right"),
            "loss": Metric(label="cross-entropy (nats)"),
            "pinch": PINCH,
            "gradient_difference": Metric(is_trained=False, label="difference of the first gradient from torch's"),
            "h1": Metric(by="place"),
            "h2": Metric(by="place"),
        }

    def start(self, seed: int) -> list[Array]:
        """Weights and biases of both layers, uniform in 1 / sqrt(2) to either side, as PyTorch draws them."""
        rng, bound = stream(seed, "start of two units"), 1 / math.sqrt(2)
        return [rng.uniform(-bound, bound, shape) for shape in ((2, 2), (2,), (2, 1), (1,))]

    def pass_through(self, parameters: Sequence[Array]) -> tuple[Array, Array, Array, list[Array]]:
        """Losses, hidden images [4, 2], logits [4] and gradients of networks with parameters [R, ...]."""
        weights, biases, last, bias = parameters
        function, derivative = ACTIVATIONS[self.activation]
        inputs = coded(self.signs)
        z = inputs @ weights + biases[:, None]
        hidden = function(z)
        logits = (hidden @ last)[..., 0] + bias
        loss = (np.logaddexp(0, logits) - XOR * logits).mean(1)
        signal = (1 / (1 + np.exp(-logits)) - XOR) / 4
        back = signal[..., None] * last[:, None, :, 0] * derivative(z, hidden)
        gradients = [inputs.T @ back, back.sum(1), hidden.swapaxes(1, 2) @ signal[..., None], signal.sum(1)[:, None]]
        return loss, hidden, logits, gradients

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        parameters = [np.stack(each) for each in zip(*map(self.start, seeds), strict=True)]
        differences = [self.gradient_difference(seed) for seed in seeds]
        moments = [(np.zeros_like(each), np.zeros_like(each)) for each in parameters]
        read = {round(share * self.steps / 100) for share in (92, 94, 96, 98, 100)}
        curve, ends = [], []
        for step in range(self.steps + 1):
            loss, hidden, logits, gradients = self.pass_through(parameters)
            if step % max(1, self.steps // 50) == 0:
                curve.append((step, loss))
                report(step / self.steps)
            if step in read:
                ends.append(((logits > 0) == XOR).sum(1))
            for place, (gradient, (mean, square)) in enumerate(zip(gradients, moments, strict=True)):
                if self.optimizer == "adam":
                    mean += 0.1 * (gradient - mean)
                    square += 0.001 * (gradient**2 - square)
                    gradient = mean / (1 - 0.9 ** (step + 1)) / (np.sqrt(square / (1 - 0.999 ** (step + 1))) + 1e-8)
                parameters[place] = parameters[place] - self.rate * gradient
        for row, seed in enumerate(seeds):
            found = {"right": float(np.median([right[row] for right in ends])), "pinch": pinch(hidden[row])}
            losses = tuple((at, float(values[row])) for at, values in curve)
            found["gradient_difference"] = differences[row]
            yield Replicate(seed, found, {"loss": losses}, images(hidden[row]))

    def gradient_difference(self, seed: int) -> float:
        """The largest difference between the first gradient and torch's, in float64."""
        import torch

        start = self.start(seed)
        *_, ours = self.pass_through([each[None] for each in start])
        theirs = [torch.tensor(each, requires_grad=True) for each in start]
        hidden = torch.from_numpy(coded(self.signs)) @ theirs[0] + theirs[1]
        hidden = hidden if self.activation == "identity" else getattr(torch, self.activation)(hidden)
        logits = (hidden @ theirs[2])[:, 0] + theirs[3]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(XOR).double())
        pairs = zip(ours, torch.autograd.grad(loss, theirs), strict=True)
        return max(float(np.abs(one[0] - other.numpy()).max()) for one, other in pairs)


@dataclass(frozen=True)
class Slope(Task):
    """At how many of 10,000 random weights a unit's error on AND has no slope at all, by differences of 1e-6."""

    unit: str

    def gives(self) -> Mapping[str, Metric]:
        return {"flat_share": Metric(promised=True, label="share of random weights without any slope")}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        inputs, moved = np.column_stack([BITS, np.ones(4)]), 1e-6 * np.eye(3)
        unit = (lambda z: (z > 0).astype(float)) if self.unit == "step" else ACTIVATIONS["sigmoid"][0]
        for seed in seeds:
            weights = stream(seed, "slope").standard_normal((10_000, 3))
            ends = (unit((weights[:, None] + way) @ inputs.T) - LABELS["and"] for way in (moved, -moved))
            up, down = ((errors**2).sum(2) for errors in ends)
            yield Replicate(seed, {"flat_share": float((up == down).all(1).mean())})


@dataclass(frozen=True)
class SigmoidNeuron(Task):
    """One sigmoid unit trained by descent against scikit-learn's logistic regression, on overlapping classes."""

    imports = ("sklearn.linear_model",)

    def gives(self) -> Mapping[str, Metric]:
        return {
            "difference": Metric(promised=True, label="largest difference of a coefficient"),
            "difference_elsewhere": Metric(promised=True, label="largest difference from the regression of other data"),
        }

    def data(self, seed: int) -> tuple[Array, Array]:
        rng = stream(seed, "two overlapping classes")
        target = rng.integers(0, 2, 200)
        return rng.standard_normal((200, 2)) + np.outer(target, rng.uniform(0.5, 1.5, 2)), target

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        from sklearn.linear_model import LogisticRegression

        def regression(inputs: Array, target: Array) -> Array:
            fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(inputs, target)
            return np.append(fitted.coef_[0], fitted.intercept_)

        for seed in seeds:
            inputs, target = self.data(seed)
            with_one, weights = np.column_stack([inputs, np.ones(200)]), np.zeros(3)
            for _ in range(20_000):
                weights -= with_one.T @ (ACTIVATIONS["sigmoid"][0](with_one @ weights) - target) / 200
            there, elsewhere = regression(inputs, target), regression(*self.data(seed + 10**6))
            differences = [float(np.abs(weights - other).max()) for other in (there, elsewhere)]
            yield Replicate(seed, dict(zip(("difference", "difference_elsewhere"), differences, strict=True)))


LEARNERS: Mapping[str, Task] = {  # as they are in the reference universe
    "perceptron-apart": Perceptron("apart"),
    "perceptron-and": Perceptron("and"),
    "perceptron-or": Perceptron("or"),
    "perceptron-xor": Perceptron("xor"),
    "every-line": EveryLine(),
    "two-units": TwoUnits(),
    "two-linear-units": TwoUnits("identity"),
    "by-hand-and-not": ByHand("and-not"),
    "by-hand-steps": ByHand("steps"),
    "step-unit": Slope("step"),
    "sigmoid-unit": Slope("sigmoid"),
    "sigmoid-neuron": SigmoidNeuron(),
}


def configure(learner: str, coding: str, activation: str, optimizer: str) -> Task:
    task, signs = LEARNERS[learner], coding == "signs"
    if isinstance(task, Perceptron) and task.problem != "apart":
        return replace(task, signs=signs)
    if isinstance(task, TwoUnits):
        own = activation if task.activation == "sigmoid" else task.activation
        rate = {"descent": 1.0, "adam": 0.01}[optimizer]
        return replace(task, activation=own, optimizer=optimizer, rate=rate, signs=signs)
    return task


def of(metric: str, *learners: str, join: Literal["only", "min"] = "only") -> Number:
    return Number(metric, learners, {}, join, "only")


def always(
    name: str, text: str, number: Number, guards: tuple[str, ...], above: float = -math.inf, below: float = math.inf
) -> Control:
    return Control(name, text, number, above, below, kind="always", guards=guards)


A = "A (Single-Layer Perceptron)"
SAME_PLACE = "a tenth of the distance between the classes counts as the same position"
STUDY = Study(
    name="perceptron_xor",
    question="Why can one perceptron not compute XOR, and do two hidden units?",
    passage="A (Single-Layer Perceptron), B2.1, B2.2, Q1",
    says="The perceptron rule converges on separable data alone. No line has more than three of the four points of XOR "
    "right. One hidden layer of two units is enough: it maps the points to where a line can part them.",
    configure=configure,
    arms=Factor("learner", tuple(LEARNERS)),
    blocks=(),
    choices=(
        Factor("coding", ("bits", "signs")),
        Factor("activation", ("sigmoid", "tanh", "relu"), phrase="with {}", words={"relu": "ReLU"}),
        Factor("optimizer", ("descent", "adam"), "optimiser", "with {}", {"adam": "Adam"}),
    ),
    universes=crossed(coding=("bits", "signs"), activation=("sigmoid", "tanh", "relu"), optimizer=("descent", "adam")),
    universe_reasons="all combinations: each costs seconds",
    tiers={"full": Tier(seeds=20, first_seed=200), "smoke": Tier(seeds=2)},
    headline=("converged", "right"),
    controls=(
        always("and-and-or", "The perceptron rule converges on AND and on OR.", of("converged", "perceptron-and",
               "perceptron-or", join="min"), ("perceptron-converges", "perceptron-never-on-xor"), above=0.5),
        always("fourteen-ways", "A line can part four points, no three in line, in 14 of 16 ways (Cover, 1965).",
               of("dichotomies", "every-line"), ("line-three-of-four",), above=13.5, below=14.5),
        always("linear-units", "Two units without activation are a line: at most three points are right.",
               of("right", "two-linear-units"), ("two-units-solve-it",), below=3.5),
        always("gradient-of-torch", "The gradient of the two units is torch's, to rounding.",
               of("gradient_difference", "two-units"), ("two-units-solve-it", "pinched-into-one"), below=1e-9),
        always("sigmoid-has-slope", "A sigmoid unit has a slope at nearly all weights.",
               of("flat_share", "sigmoid-unit"), ("step-has-no-slope",), below=0.001),
        always("other-data", "The logistic regression of other data is another.",
               of("difference_elsewhere", "sigmoid-neuron"), ("neuron-is-logistic",), above=0.001),
    ),
    claims=(
        Claim("perceptron-converges", "The perceptron rule converges on separable data, within Novikoff's bound.", "B1",
              "always", of("novikoff_share", "perceptron-apart"), below=1.000001),
        Claim("perceptron-never-on-xor", "On XOR the perceptron rule never converges.", "B1, B2.2", "always",
              of("fewest_wrong", "perceptron-xor"), above=0.5),
        Claim("line-three-of-four", "The best line has three of the four points of XOR right.", A, "always",
              of("most_right", "every-line"), above=2.5, below=3.5),
        Claim("two-units-solve-it", "Trained, one hidden layer of two units computes XOR.", "A, B2.2", "most",
              of("right", "two-units"), above=3.5),
        Claim("pinched-into-one", "In the trained hidden layer the two points of class 1 are pinched into one.", A,
              "most", of("pinch", "two-units"), below=0.1, by_hand=SAME_PLACE),
        Claim("by-hand-and-not", "AND-NOT units and an OR compute XOR.", "B2.2", "always",
              of("wrong", "by-hand-and-not"), below=0.5),
        Claim("by-hand-steps", "A unit for any bit and one for both compute XOR.", A, "always",
              of("wrong", "by-hand-steps"), below=0.5),
        Claim("by-hand-pinches", "They pinch the two points of class 1 into one.", A, "always",
              of("pinch", "by-hand-steps"), below=0.1),
        Claim("step-has-no-slope", "A step unit has no slope that descent could follow.", A, "most",
              of("flat_share", "step-unit"), above=0.999),
        Claim("neuron-is-logistic", "One sigmoid unit is logistic regression.", "B2.1", "always",
              of("difference", "sigmoid-neuron"), below=0.0001),
    ),
)  # fmt: skip
CAPTIONS = {
    "hidden_space": "The four points in the hidden layer of the two trained units, a panel a seed: class 1 as dots, "
    "class 0 as crosses. Where the dots coincide they are pinched into one.",
    "two_units_loss": "Cross-entropy of the two units while they train, each line a seed; the dashed line is chance.",
}


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    hidden = tables.profiles[tables.profiles["learner"] == "two-units"]
    seeds = sorted(hidden["seed"].unique())
    space, panels = plt.subplots(4, 5, figsize=(7, 5.8), sharex=True, sharey=True, squeeze=False)
    for ax, seed in zip(panels.flat, seeds, strict=False):
        rows = hidden[hidden["seed"] == seed].sort_values("place")
        ax.scatter(rows["h1"].iloc[[1, 2]], rows["h2"].iloc[[1, 2]], s=28, color="#0173b2", alpha=0.7)
        ax.scatter(rows["h1"].iloc[[0, 3]], rows["h2"].iloc[[0, 3]], s=28, color="#de8f05", marker="x")
        ax.set_title(f"seed {seed}", fontsize=7)
    for ax in panels.flat[len(seeds) :]:
        ax.set_axis_off()
    space.supxlabel("first hidden unit")
    space.supylabel("second hidden unit")
    loss, ax = plt.subplots(figsize=(5, 3))
    for _, rows in tables.curves[tables.curves["learner"] == "two-units"].groupby("seed"):
        ax.plot(rows["step"], rows["loss"], color="#0173b2", linewidth=0.8, alpha=0.6)
    ax.axhline(math.log(2), color="black", linestyle="--", linewidth=0.8)
    ax.set_yscale("log")
    ax.set_xlabel("steps")
    ax.set_ylabel("cross-entropy (nats)")
    return {"hidden_space": space, "two_units_loss": loss}
