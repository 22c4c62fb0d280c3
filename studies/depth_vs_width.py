"""Does depth buy more than width: on a sawtooth, by construction and by training, and on digits?

Question. The documents say that depth, not just width, brings dramatic gains in expressivity and efficiency, that deep
networks reach the same accuracy with far fewer parameters on data of nested structure, and that they have a far higher
ceiling on handwritten digits.

Cost. Full tier: two shapes of network at ten numbers of parameters, 20 seeds each; most of the time for digits.

What to expect. A tent of two ReLU units, nested k times, is a sawtooth of 2^k pieces (Telgarsky 2015). One hidden layer
of n units has n + 1 pieces at most, and one with fewer pieces than teeth is off by half somewhere, so by construction
depth wins without bound. That says nothing of what descent finds. And digits are no sawtooth: a first layer of 784
inputs takes most of the parameters of either shape.

One hidden layer is compared with three that have as many parameters, from a given number of parameters on: widths
follow, and none is below 64 for digits. Digits are 10,000 images of MNIST, so that twenty seeds of eight networks are
affordable; the sawtooth has 16 pieces, at 1,024 places. ReLU under He's start, Adam at its default rate. "The same
accuracy" is the one that a network must reach: 95 % of digits, as in loss_convergence, and 99 % of the variance of the
sawtooth. Numbers of parameters double from one to the next. All was fixed before any run but smoke.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig
from research.training.data_functions import Arrays, by_function

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from research.record.frames import Frames

BY_HAND = (13, 25, 37, 49)  # parameters of two, four, six and eight layers of two units on one input
ON_SAWTOOTH = (128, 256, 512, 1024, 2048, 4096)
ON_DIGITS = (75_000, 150_000, 300_000, 600_000)
FEW = 40  # 13 units, whose 14 pieces are fewer than the teeth
TEETH = 16
ACCURACY = (0.0, 1.0)
REACHED = 0.95
RIGHT = 0.0289  # a tenth of the standard deviation of a sawtooth from 0 to 1, 1 / sqrt(12): 99 % of its variance
SAWTOOTH = ("sawtooth-by-training", "learnt-at-all")
DIGITS = ("fewer-parameters", "higher-ceiling", "deeper-beats-wider")
SHAPES = ("one", "several")


def sawtooth() -> Arrays:
    """A tent nested four times, from 0 to 1 and back 8 times, at 1,024 places of [-1, 1], tested at 4,096."""

    def teeth(x: np.ndarray) -> np.ndarray:
        y = (x + 1) / 2
        for _ in range(round(math.log2(TEETH))):
            y = 1 - abs(2 * y - 1)
        return y

    x, between = np.linspace(-1, 1, 1024), np.linspace(-1, 1, 4096)
    return Arrays(x[:, None], teeth(x), between[:, None], teeth(between), source=f"a sawtooth of {TEETH} pieces")


@dataclass(frozen=True)
class Nested(Task):
    """Layers of two units that fold [0, 1] like a tent, each with a peak of the seed's own from 0.3 to 0.7.

    A layer computes f(x) and f(x - c), of which the next makes x / c left of the peak, and (1 - x) / (1 - c) right of
    it. The pieces are counted at 262,145 places, where the slope changes its sign. Units are "relu" or "identity".
    """

    layers: int
    units: str = "relu"

    def gives(self) -> Mapping[str, Metric]:
        return {
            "pieces": Metric("pieces of the function", promised=True),
            "pieces_ratio": Metric(
                "pieces as a multiple of what one hidden layer can have",
                "of a hidden layer with as many parameters, which has a piece more than units", promised=True,
            ),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        return map(self.replicate, seeds)

    def replicate(self, seed: int) -> Replicate:
        peaks = stream(seed, "peaks of tents").uniform(0.3, 0.7, self.layers)
        weight, bias, values = np.ones((1, 2)), np.array([0.0, -peaks[0]]), np.linspace(0, 1, 2**18 + 1)[:, None]
        parameters = weight.size + bias.size
        for layer, peak in enumerate(peaks, start=1):
            hidden = values @ weight + bias
            hidden = np.maximum(hidden, 0) if self.units == "relu" else hidden
            fold = np.array([[1 / peak], [-1 / peak - 1 / (1 - peak)]])
            if layer == self.layers:
                values = hidden @ fold
                parameters += fold.size + 1
            else:  # the fold is part of the next layer's weights
                weight, bias, values = fold @ np.ones((1, 2)), np.array([0.0, -peaks[layer]]), hidden
                parameters += weight.size + bias.size
        slopes = np.sign(np.diff(values[:, 0]))
        slopes = slopes[slopes != 0]
        pieces = 1 + int((slopes[1:] != slopes[:-1]).sum())
        return Replicate(seed, {"pieces": float(pieces), "pieces_ratio": pieces / ((parameters - 1) // 3 + 1)})


def width_for(parameters: int, depth: int, inputs: int, outputs: int) -> int:
    """The width at which a network with so many hidden layers has nearly so many parameters."""
    squares, linear, rest = depth - 1, inputs + outputs + depth, outputs - parameters
    if not squares:
        return round(-rest / linear)
    return round((-linear + math.sqrt(linear**2 - 4 * squares * rest)) / 2 / squares)


def configure(
    parameters: int, shape: str, data: str, optimizer: str, activation: str, start: str, depth: int, length: str
) -> Task:
    if data == "nested":
        return Nested((parameters - 1) // 6, "identity" if shape == "unbent" else "relu")
    layers, is_image = 1 if shape == "one" else depth, data != "sawtooth"
    common: dict[str, object] = {
        "depth": layers,
        "width": width_for(parameters, layers, *((784, 10) if is_image else (1, 1))),
        "activation": activation,
        "init": {"advised": "he" if activation == "relu" else "xavier", "default": "default"}[start],
        "optimizer": optimizer,
        "lr": {"adam": 0.001, "sgd": 0.1}[optimizer],
        "measures": ("repeated",) if parameters == FEW else (),
    }
    longer = 1 if length == "usual" else 2
    if is_image:
        labels = "shuffled" if data == "shuffled" else "true"
        return TrainConfig(num_train=10_000, epochs=20 * longer, labels=labels, **common)  # type: ignore[arg-type]
    return TrainConfig(
        dataset=by_function(sawtooth), output="raw", loss="mse_mean", steps=10_000 * longer, evaluate_every=1000,
        **common,  # type: ignore[arg-type]
    )  # fmt: skip


def of(
    metric: str, sizes: tuple[int, ...], shapes: tuple[str, ...], data: str, arms: str = "only", shape: str = "only",
    missing: tuple[float, float] = ACCURACY, threshold: float | None = None, over: str = "",
) -> Number:  # fmt: skip
    blocks = {"shape": shapes, "data": (data,)}
    return Number(metric, sizes, blocks, arms, shape, missing, threshold=threshold, over=over)  # type: ignore[arg-type]


def pieces_of(parameters: int, **others: object) -> float:
    """Two to the number of layers by hand: each has six parameters, and the output one more."""
    return 2.0 ** min((parameters - 1) // 6, 1000)


ACC = "steady_test_accuracy"
LESS = "half of the parameters or fewer count as far fewer"
STUDY = Study(
    name="depth_vs_width",
    question="Does depth buy more than width: on a sawtooth, by construction and by training, and on digits?",
    passage="A (Feature Hierarchy, Vanishing Gradient Problem), B 4.3, 6.4, Q4",
    says="Depth, not just width, brings dramatic gains in expressivity and efficiency. On data of nested structure "
    "deep networks reach the same accuracy with far fewer parameters, and on handwritten digits a far higher ceiling.",
    configure=configure,
    arms=Factor("parameters", (*BY_HAND, *ON_SAWTOOTH, *ON_DIGITS), "parameters"),
    blocks=(
        Factor("shape", SHAPES, words={"one": "one hidden layer", "several": "several hidden layers",
                                       "unbent": "layers without activation"}),
        Factor("data", ("nested", "sawtooth", "digits"), words={"nested": "nested tents",
                                                                    "shuffled": "shuffled digits"}),
    ),
    grids=(
        {"parameters": BY_HAND, "shape": ("several",), "data": ("nested",)},
        {"parameters": ON_SAWTOOTH, "data": ("sawtooth",)},
        {"parameters": ON_DIGITS, "data": ("digits",)},
    ),
    choices=(
        Factor("optimizer", ("adam", "sgd")),
        Factor("activation", ("relu", "tanh")),
        Factor("start", ("advised", "default"), phrase="under {} start",
               words={"advised": "the advised", "default": "PyTorch's"}),
        Factor("depth", (3, 6), label="layers of the deep network", phrase="with {} layers"),
        Factor("length", ("usual", "double"), phrase="trained for {}", words={"usual": "once", "double": "twice"},
               in_text={"usual": "the usual time", "double": "twice the time"}),
    ),
    universes=({"optimizer": "sgd"}, {"activation": "tanh"}, {"start": "default"}, {"depth": 6}, {"length": "double"}),
    universe_reasons="What the documents leave open, each alone: gradient descent at its customary rate; tanh, with "
    "Xavier's start; PyTorch's start; six layers; and twice the training. Left out: a rate tuned for each network, "
    "skips and normalisation, which deeper networks may need, and all 55,000 images.",
    predictions={"pieces_of": pieces_of},
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, overrides={"steps": 200, "evaluate_every": 100, "num_train": 300},
                      levels={"parameters": (13, 49, 128, 256), "depth": (3,), "length": ("usual",)}),
    },
    headline=("pieces", "steady_test_rmse"),
    controls=(
        Control("pieces-as-theory", "Exact: eight nested tents have 256 pieces.",
                of("pieces", (49,), ("several",), "nested", over="pieces_of"), kind="always", above=0.999, below=1.001,
                guards=("sawtooth-by-construction",)),
        Control("unbent-is-one-piece", "An effect that must not show: without an activation they have one.",
                of("pieces", (49,), ("unbent",), "nested"), kind="always", below=1.5,
                guards=("sawtooth-by-construction",), cells=({"parameters": 49, "shape": "unbent", "data": "nested"},)),
        # to be nearer than half to every tip and foot of the teeth a line has to cross the middle 16 times
        Control("too-few-kinks", "Exact: one layer of 13 units is off by half somewhere on 16 teeth.",
                of("steady_test_sup_error", (FEW,), ("one",), "sawtooth", missing=(0.0, math.inf)), kind="always",
                above=0.49, guards=SAWTOOTH, cells=({"parameters": FEW, "shape": "one", "data": "sawtooth"},)),
        Control("the-same-again", "The same training once more, with nobody looking, ends at the same weights.",
                of("repeat_difference", (FEW,), ("one",), "sawtooth"), kind="identity", below=1e-30),
        Control("nothing-to-learn", "An effect that must not show: trained on labels dealt out at random, both are at "
                "chance.", of(ACC, (ON_DIGITS[0],), SHAPES, "shuffled", shape="mean"), above=0.07, below=0.13,
                guards=DIGITS,
                cells=tuple({"parameters": ON_DIGITS[0], "shape": shape, "data": "shuffled"} for shape in SHAPES)),
    ),
    claims=(
        Claim("sawtooth-by-construction", "Eight layers of two units have far more pieces than one layer with as many "
              "parameters can.", "B (Introduction, 4.3, Q4)", "always",
              of("pieces_ratio", (49,), ("several",), "nested"), above=10,
              by_hand="ten times as many count as far more"),
        Claim("sawtooth-by-training", "Trained, several layers fit the sawtooth with far fewer parameters than one.",
              "A, B 4.3, 6.4, Q4", "most", of("steady_test_rmse", ON_SAWTOOTH, SHAPES, "sawtooth", "first_below",
              "ratio", (0.0, math.inf), RIGHT), above=1.99, by_hand=LESS),
        Claim("learnt-at-all", "Trained, some several layers of these sizes fit the sawtooth.", "project", "most",
              of("steady_test_rmse", ON_SAWTOOTH, ("several",), "sawtooth", "min", "only", (0.0, math.inf)),
              below=RIGHT, by_hand="99 % of the variance counts as a fit"),
        Claim("fewer-parameters", "Several layers reach 95 % of digits with far fewer parameters than one.",
              "B 4.3, 6.4, Q4", "most", of(ACC, ON_DIGITS, SHAPES, "digits", "first_above", "ratio",
              threshold=REACHED), above=1.99, by_hand=LESS),
        Claim("higher-ceiling", "The best accuracy of several layers on digits is far above that of one.", "A", "most",
              of(ACC, ON_DIGITS, SHAPES[::-1], "digits", "max", "difference"), above=0.01,
              by_hand="a point counts as far above"),
        Claim("deeper-beats-wider", "At the same number of parameters several layers tell digits better than one.", "A",
              "most", of(ACC, ON_DIGITS, SHAPES[::-1], "digits", "mean", "difference"), above=0.0),
    ),
)  # fmt: skip
CAPTIONS = {
    "sizes": "One hidden layer and several against their number of parameters. Left: pieces of nested tents by hand, "
    "with the most that one layer of as many parameters can have. Middle: error on the sawtooth after training. Right: "
    "test accuracy on digits. A dot is a seed, lines join medians; dashed is what must be reached.",
    "sawtooth": "The sawtooth that networks are trained on.",
}
COLOURS = {"one": "#de8f05", "several": "#0173b2"}


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    runs = tables.runs[tables.runs["shape"].isin(SHAPES)]
    sizes, (by_hand, teeth, digits) = plt.subplots(1, 3, figsize=(7.4, 3.0))
    x = np.arange(BY_HAND[0], BY_HAND[-1] + 1)
    by_hand.plot(x, (x - 1) // 3 + 1, color=COLOURS["one"])
    panels = ((by_hand, "nested", "pieces", "pieces"), (teeth, "sawtooth", "steady_test_rmse", "error"),
              (digits, "digits", ACC, "test accuracy"))  # fmt: skip
    for ax, data, metric, label in panels:
        own = runs[(runs["data"] == data) & (runs["parameters"] != FEW)]
        for shape in dict.fromkeys(own["shape"]):
            rows = own[own["shape"] == shape]
            shift = 1.04 if shape == "several" and data != "nested" else 1.0
            ax.plot(shift * rows["parameters"], rows[metric], ".", color=COLOURS[shape], alpha=0.4, markersize=4)
            medians = rows.groupby("parameters")[metric].median()
            ax.plot(shift * medians.index, medians, color=COLOURS[shape], label=STUDY.blocks[0].words[shape])
        ticks = sorted(set(own["parameters"]))
        ax.set(xscale="log", xlabel="parameters", ylabel=label)
        ax.set_xticks(ticks, [f"{n // 1000}k" if n >= 10_000 else str(n) for n in ticks], fontsize=7)
        ax.set_xticks([], minor=True)
    by_hand.set_yscale("log")
    teeth.set_yscale("log")
    teeth.set_yticks([0.01, 0.03, 0.1, 0.3], ["0.01", "0.03", "0.1", "0.3"])
    teeth.set_yticks([], minor=True)
    teeth.axhline(RIGHT, color="black", linestyle="--", linewidth=0.8)
    digits.axhline(REACHED, color="black", linestyle="--", linewidth=0.8)
    handles, labels = teeth.get_legend_handles_labels()
    sizes.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    target, ax = plt.subplots(figsize=(4.6, 1.5))
    arrays = sawtooth()
    ax.plot(arrays.inputs, arrays.targets, color="0.3", linewidth=1)
    return {"sizes": sizes, "sawtooth": target}
