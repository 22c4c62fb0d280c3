"""Are linear layers, however many are stacked, no more than one?

Question. Both documents say that without activations a stack of layers collapses into one linear layer: W2 (W1 x + b1)
+ b2 is W2 W1 x + (W2 b1 + b2), stacking adds no expressive power, and that is why activations exist.

Cost. Full tier: nine small networks, 20 seeds each, and random stacks in seconds.

What to expect. That the function is the same is mathematics, so random stacks are held to the product of their weights:
in float64 to rounding, in whole numbers exactly, by autograd's slope and by differences along lines. What training
makes of a stack is another matter: its loss is not convex in its weights and descent takes another way (Saxe and others
2014), so at a finite horizon a stack can end elsewhere than softmax regression does. Below the best loss of softmax
regression it cannot come: convexity gives a bound that is computed for each seed.

Stacks have 1 to 64 hidden layers of 1 to 32 units, all drawn anew for each. Networks have 64 units, more than classes,
so that no layer narrows what passes, and see 10,000 images of MNIST, on which the bound is affordable, for 20 epochs at
the customary rate. 1e-10 is a million roundings; a point of accuracy is the margin that activation_depth first declared
for four linear layers. All was fixed before any run but smoke.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig

Array = np.ndarray
DEPTHS = (1, 2, 4, 8, 16, 32, 64)  # hidden layers of random stacks: doubled, to more than anyone stacks
STACKS = 20  # of each depth
INPUTS = 50  # of each stack
BENT = ("stacks-relu", "stacks-tanh", "stacks-sigmoid")
HIDDEN = (1, 2, 4, 8)  # layers of networks that are trained, as many as in activation_depth
LINEAR = tuple(f"linear-{depth}" for depth in HIDDEN)
RELU = tuple(f"relu-{depth}" for depth in HIDDEN)
SHUFFLED = "linear-4-shuffled"
MODULES = {"identity": "Identity", "relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def away(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest number; 0 where both are all 0."""
    size, gap = float(np.abs(theirs).max()), float(np.abs(ours - theirs).max())
    return gap / size if size else gap


def product(layers: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The one layer that layers x -> x W + b come to, multiplied out one after the other."""
    (weight, bias), *others = layers
    for after, constant in others:
        weight, bias = weight @ after, bias @ after + constant
    return weight, bias


@dataclass(frozen=True)
class Stacks(Task):
    """Random stacks of torch's linear layers, with an activation between or none, against the product of their weights.

    `by_product` compares outputs; `by_formula` those of two layers with W2 W1 x + (W2 b1 + b2), example by example;
    `by_slope` autograd's Jacobian with the product. `curvature` is how far f(x + d) - 2 f(x) + f(x - d) is from 0 along
    random lines, over the largest output. `beyond_narrowest` is the largest singular value of the product beyond as
    many as the narrowest layer has units, over the largest of all. `not_exact` counts outputs of stacks of whole
    numbers that are another whole number than the product gives.
    """

    activation: str = "identity"
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    @property
    def clock(self) -> str:
        return "epoch"  # as of the networks beside it

    def gives(self) -> Mapping[str, Metric]:
        return {
            "by_product": Metric(promised=True, cases="input_cases", label="difference of stacks from their product"),
            "by_formula": Metric(
                promised=True, cases="two_layer_inputs", label="difference of two layers from the formula"
            ),
            "by_slope": Metric(promised=True, cases="input_cases", label="difference of the slope from the product"),
            "curvature": Metric(promised=True, cases="input_cases", label="second difference along a line"),
            "beyond_narrowest": Metric(
                promised=True, cases="stack_cases", label="what passes beyond the narrowest layer's units"
            ),
            "not_exact": Metric(promised=True, cases="input_cases", label="whole numbers that are not the product's"),
            "input_cases": Metric(promised=True, label="inputs of random stacks"),
            "two_layer_inputs": Metric(promised=True, label="inputs of random stacks of two layers"),
            "stack_cases": Metric(promised=True, label="random stacks"),
            "product_at_depth": Metric(by="place"),
        }

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for done, seed in enumerate(seeds):
            rows = [
                (depth, self.compared(stream(seed, "linear stack", depth, number), depth))
                for depth in DEPTHS
                for number in range(STACKS)
            ]
            found = {name: max(row.get(name, 0.0) for _, row in rows) for name in rows[0][1]}
            worst = {depth: max(row["by_product"] for at, row in rows if at == depth) for depth in DEPTHS}
            found["input_cases"], found["stack_cases"] = float(len(rows) * INPUTS), float(len(rows))
            found["two_layer_inputs"] = float(STACKS * INPUTS)
            yield Replicate(seed, found, {}, {"product_at_depth": tuple(worst.items())})
            report((done + 1) / len(seeds))

    def compared(self, rng: np.random.Generator, depth: int) -> dict[str, float]:
        import torch

        sizes = rng.integers(1, 33, depth + 2)
        layers, modules = [], list[torch.nn.Module]()
        for fan_in, fan_out in itertools.pairwise(sizes):
            layer = torch.nn.Linear(fan_in, fan_out, dtype=torch.float64)
            weight, bias = rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in), rng.standard_normal(fan_out)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.T))
                layer.bias.copy_(torch.from_numpy(bias))
            layers.append((weight, bias))
            modules += [layer, getattr(torch.nn, MODULES[self.activation])()]
        stack = torch.nn.Sequential(*modules[:-1])
        x, d = rng.standard_normal((2, INPUTS, sizes[0]))
        with torch.no_grad():
            here, there, back = (stack(torch.from_numpy(at)).numpy() for at in (x, x + d, x - d))
        weight, bias = product(layers)
        slope = torch.func.jacrev(stack)(torch.from_numpy(x[0])).detach().numpy()
        values = np.linalg.svd(weight, compute_uv=False)
        found = {
            "by_product": away(here, x @ weight + bias),
            "by_slope": away(slope, weight.T),
            "curvature": float(np.abs(there - 2 * here + back).max() / np.abs(here).max()),
            "beyond_narrowest": float(values[sizes.min() :].max(initial=0.0) / values[0]),
            "not_exact": self.not_exact(rng, depth),
            "by_formula": 0.0,
        }
        if depth == 1:
            (w1, b1), (w2, b2) = ((w.T, b) for w, b in layers)
            found["by_formula"] = away(here, np.array([w2 @ w1 @ one + (w2 @ b1 + b2) for one in x]))
        return found

    def not_exact(self, rng: np.random.Generator, depth: int) -> float:
        """How many outputs of a stack of whole numbers, of any length, are not those of its product."""
        sizes = rng.integers(1, 9, depth + 2)
        layers = [
            (rng.integers(-3, 4, (fan_in, fan_out)).astype(object), rng.integers(-3, 4, fan_out).astype(object))
            for fan_in, fan_out in itertools.pairwise(sizes)
        ]
        x = rng.integers(-3, 4, (INPUTS, sizes[0])).astype(object)
        weight, bias = product(layers)
        outputs = x
        for place, (own, constant) in enumerate(layers, start=1):
            outputs = outputs @ own + constant
            if self.activation != "identity" and place < len(layers):
                outputs = np.maximum(outputs, 0)  # the only one of them that gives whole numbers
        return float((outputs != x @ weight + bias).sum())


def configure(network: str, optimizer: str, rate: str, init: str, horizon: int) -> Task:
    """784-64xdepth-10 on 10,000 images; softmax regression has no hidden layer."""
    kind, _, depth = network.removesuffix("-shuffled").partition("-")
    if kind == "stacks":
        return Stacks(depth or "identity")
    measures = ("alone",) if network != SHUFFLED else ()
    return TrainConfig(
        depth=int(depth or 0),
        width=64,
        activation="relu" if kind == "relu" else "identity",
        init=init,
        num_train=10_000,
        optimizer=optimizer,
        # as in activation_depth: what is customary
        lr={"sgd": 0.1, "adam": 0.001}[optimizer] * (0.1 if rate == "tenth" else 1),
        epochs=horizon,
        labels="shuffled" if network == SHUFFLED else "true",
        measures=measures + (("linear_product", "convex_bound") if kind != "relu" and measures else ()),
    )


def of(metric: str, *networks: str, join: str = "max", missing: tuple[float, float] = (0.0, np.inf)) -> Number:
    return Number(metric, networks, {}, join if len(networks) > 1 else "only", "only", missing)  # type: ignore[arg-type]


def lead(network: str) -> Number:
    """By how much a network's test accuracy is above that of softmax regression."""
    return of("steady_test_accuracy", network, "softmax", join="difference", missing=(0.0, 1.0))


EXACT = 1e-10  # a million roundings
POINT = "a point of test accuracy counts as better"
STUDY = Study(
    name="linear_collapse",
    question="Are linear layers, however many are stacked, no more than one?",
    passage="A (Single-Layer Perceptron, ReLU Activation Function), B 2.3",
    says="Without activations any number of layers is one linear layer. Stacking adds no expressive power, and "
    "nonlinear features need a nonlinear transformation.",
    configure=configure,
    arms=Factor("network", ("stacks", "softmax", *LINEAR, *RELU), words={
        "stacks": "random linear stacks", "softmax": "softmax regression",
        "stacks-relu": "random stacks with ReLU", "stacks-tanh": "random stacks with tanh",
        "stacks-sigmoid": "random stacks with sigmoid",
        **{name: f"{hidden + 1} linear layers" for name, hidden in zip(LINEAR, HIDDEN, strict=True)},
        **{name: f"{hidden + 1} layers with ReLU" for name, hidden in zip(RELU, HIDDEN, strict=True)},
        SHUFFLED: "5 linear layers on shuffled labels",
    }),
    blocks=(),
    choices=(
        Factor("optimizer", ("sgd", "adam")),
        Factor("rate", ("customary", "tenth"), phrase="at {} rate",
               words={"customary": "the customary", "tenth": "a tenfold lower"}),
        Factor("init", ("default", "he")),
        Factor("horizon", (20, 60), phrase="at a horizon of {} epochs"),
    ),
    universes=({"optimizer": "adam"}, {"rate": "tenth"}, {"init": "he"}, {"horizon": 60}),
    universe_reasons="What the documents leave open and what training may depend on, each alone: the optimiser, its "
    "rate, the start and the horizon. The function of a stack leaves nothing open. Left out: other widths, of which "
    "none above the number of classes narrows what passes, and all 55,000 images.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, overrides={"num_train": 300, "epochs": 2},
                      levels={"network": ("stacks", "softmax", "linear-4", "linear-8", "relu-4"), "horizon": (20,)}),
    },
    headline=("steady_test_accuracy", "by_product"),
    controls=(
        Control("bent-is-no-product", "An effect that must show: with activations between it is not the product.",
                of("by_product", *BENT, join="min"), above=0.01, kind="always",
                cells=tuple({"network": network} for network in BENT),
                guards=("same-function", "two-layers-formula", "same-slope", "exactly-the-same")),
        Control("bent-is-curved", "An effect that must show: with activations between, lines are bent.",
                of("curvature", *BENT, join="min"), above=0.01, kind="always", guards=("no-curvature",)),
        Control("as-in-plain-pytorch", "Each network trains as it does alone in plain PyTorch: after 100 steps in "
                "float64 no weight differs.", of("alone_difference", "softmax", *LINEAR, *RELU), below=1e-6,
                kind="identity", guards=("trained-too", "never-below-the-best", "no-better-than-softmax",
                "no-better-two-layers", "as-accurate-as-softmax", "relu-is-better")),
        Control("counted-right", "The test accuracy that is recorded is that of the product of the weights.",
                of("product_disagreement", "softmax", *LINEAR), below=2.5e-4,  # two images of 10,000: ties in float32
                kind="identity", guards=("no-better-than-softmax", "no-better-two-layers", "as-accurate-as-softmax",
                "relu-is-better")),
        Control("nothing-to-learn", "An effect that must not show: trained on labels dealt out at random, four linear "
                "layers are at chance.", of("steady_test_accuracy", SHUFFLED, missing=(0.0, 1.0)),
                above=0.07, below=0.13,  # a tenth, to three points
                cells=({"network": SHUFFLED},), guards=("no-better-than-softmax", "no-better-two-layers",
                "as-accurate-as-softmax", "relu-is-better")),
    ),
    claims=(
        Claim("same-function", "Linear layers, however many, compute what the product of their weights computes.",
              "A, B 2.3", "identity", of("by_product", "stacks"), below=EXACT),
        Claim("exactly-the-same", "In whole numbers, which need no rounding, they compute exactly that.", "project",
              "identity", of("not_exact", "stacks"), below=0.5),
        Claim("two-layers-formula", "Two linear layers are W2 W1 x + (W2 b1 + b2).", "B 2.3", "identity",
              of("by_formula", "stacks"), below=EXACT),
        Claim("same-slope", "By autograd the slope of linear layers is the product of their weights.", "project",
              "identity", of("by_slope", "stacks"), below=EXACT),
        Claim("no-curvature", "Without a nonlinear transformation nothing is bent: lines stay lines.", "A", "identity",
              of("curvature", "stacks"), below=EXACT),
        Claim("narrow-takes", "What a stack passes has no more directions than its narrowest layer has units.",
              "project", "identity", of("beyond_narrowest", "stacks"), below=EXACT),
        Claim("trained-too", "Trained linear layers are one too: their outputs are those of the product.", "A",
              "identity", of("product_difference", *LINEAR), below=EXACT),
        # nats: what a loss over 10,000 examples loses in float32
        Claim("never-below-the-best", "No stack has a lower training loss than softmax regression can have.", "B 2.3",
              "always", of("above_convex_bound", *LINEAR, join="min"), above=-1e-4),
        Claim("no-better-two-layers", "Trained, two linear layers are no better than softmax regression.", "B 2.3",
              "most", lead("linear-1"), below=0.01, by_hand=POINT),
        Claim("no-better-than-softmax", "Trained, nine linear layers are no better than softmax regression.",
              "A, B 2.3", "most", lead("linear-8"), below=0.01, by_hand=POINT),
        Claim("as-accurate-as-softmax", "Four hidden layers of identity are as accurate as softmax regression.",
              "project", "mean", lead("linear-4"), above=-0.01, below=0.01,
              by_hand="a point: what activation_depth first declared"),
        Claim("relu-is-better", "With ReLU between, the same layers are better than softmax regression.", "project",
              "most", lead("relu-4"), above=0.01, by_hand=POINT),
    ),
)  # fmt: skip
