"""What does the start of a network decide: whether signals arrive, whether units differ, whether it can be trained?

Question. Both documents say that the initial weights decide whether a deep network can be trained: all zeros leave the
units alike, very small ones let the gradient vanish, standard normal ones make activations and gradients grow or shrink
exponentially, so that the loss is not a number or flat. Xavier's start (for tanh) and He's (for ReLU) prevent that by
scaling the variance to the fan-in, and PyTorch's default is said to be He's (B 6.1).

Cost. A few minutes; three quarters of it for networks of 20 layers.

What to expect. Mean-field theory gives the factors of activations and signals at each start; it is drawn beside what is
measured, and their agreement is claimed. A saturating unit bounds its activations, so standard normal weights can make
those of ReLU alone explode. Zeros leave units of sigmoid alike while they learn, and those of tanh and ReLU still.

20 hidden layers is what document A calls deep; 64 units and 10,000 images make it affordable. Vanished is what has a
hundredth left, exploded what has grown a hundredfold, between the first and the last hidden layer: over 19 steps. "The
curve is flat" is the tenth of activation_depth. What the library draws is measured on 65,536 weights, whose variance is
known to 0.6 % by one standard deviation: three percent are five. All was fixed before any run but smoke.
"""

import math
from dataclasses import replace
from functools import cache
from typing import Any

from research.design.study import Claim, Control, Factor, Level, Levels, Number, Study, Tier, Tuning
from research.training.config import TrainConfig
from research.training.mean_field import Signals, expected_signals

INPUT_SQUARE = 0.112  # mean square of a pixel of MNIST's training images, from 0 to 1
ACTIVATIONS = ("sigmoid", "tanh", "relu")
WORD = dict(zip(ACTIVATIONS, ("sigmoid", "tanh", "ReLU"), strict=True))
STARTS = ("default", "xavier", "he", "normal", "small", "zero")
LIBRARY = ("he", "default", "xavier")  # starts that the library has too
SMALL = 0.01  # standard deviation: AlexNet's, and the customary one before Xavier's start
DEEP = 20
STEPS = DEEP - 1  # from the first to the last hidden layer
VANISHED, EXPLODED, FLAT = 0.01, 100.0, 0.1
POSITIVE = (0.0, float("inf"))
NOWHERE = (float("-inf"), 0.0)  # where the progress of a replicate that diverged lies,
ONE_CLASS = (0.0, 0.1135)  # and its test accuracy: at most the share of the most frequent digit in the test set


# What differs from SGD as usual, in cells of controls.
SPECIAL: dict[str, dict[str, Any]] = {
    "unit": {"init": "normal", "init_std": 1.0},  # of linear layers, over the root of the width
    "double": {"init": "normal", "init_std": 2.0},
    "shuffled": {"init": "he", "labels": "shuffled"},
    "xavier-slow": {"init": "xavier", "lr": 0.001},  # where what holds to the bit is not made chaotic
    "he-slow": {"init": "he", "lr": 0.001},
}
SLOW = ("xavier-slow", "he-slow")


def configure(
    start: str, activation: str, depth: int, width: int, optimizer: str, rate: str, horizon: int
) -> TrainConfig:
    """784-64xdepth-10 on 10,000 images."""
    normal = {"normal": 1.0, "small": SMALL}
    is_trained = (start != "small" or depth == DEEP) and start not in ("unit", "double")
    config = TrainConfig(
        depth=depth,
        width=width,
        activation=activation,
        init="normal" if start in normal else start if start in STARTS else "he",
        init_std=normal.get(start, 1.0),
        num_train=10_000,
        epochs=horizon if is_trained else 0,  # as in activation_depth, and so are the rates
        probe_epochs=(0, 1, 5),
        probes=("signals", "symmetry"),
        measures=for_claims(start, activation),
    )
    if is_trained:
        lr = {"sgd": 0.1, "adam": 0.001}[optimizer] * (0.1 if rate == "tenth" else 1)
        config = replace(config, optimizer=optimizer, lr=lr)
    config = replace(config, **SPECIAL.get(start, {}))
    return replace(config, init_std=config.init_std / math.sqrt(width)) if start in ("unit", "double") else config


def for_claims(start: str, activation: str) -> tuple[str, ...]:
    """What is measured because a claim or control is about it."""
    if start in SLOW:
        return ("alone", "repeated")
    return ("library_start",) if start in LIBRARY and activation == "relu" else ()


@cache
def theory(**levels: Any) -> Signals | None:
    """What is expected of the start of a network; of one that does not start at zeros."""
    config = configure(**levels)
    return None if config.init == "zero" else expected_signals(config, INPUT_SQUARE)


def forward(**levels: Any) -> float:
    """The factor of a layer's activations that theory gives; 1 where it says nothing."""
    found = theory(**levels)
    return found.forward_factor if found else 1.0


def backward(**levels: Any) -> float:
    """The same of the backward signal."""
    found = theory(**levels)
    return found.backward_factor if found else 1.0


def of(metric: str, start: str, *activations: str, depth: int = DEEP, **more: Any) -> Number:
    """A metric of a start; of several activations the largest."""
    blocks: dict[str, tuple[Level, ...]] = {"activation": activations, "depth": (depth,)}
    missing = more.pop("missing", POSITIVE)
    return Number(metric, (start,), blocks, "only", "max" if len(activations) > 1 else "only", missing, **more)


def drawn(metric: str, *starts: str) -> Number:
    """Of what starts of the library draw, beside what those of this project do; of several the largest."""
    blocks: dict[str, tuple[Level, ...]] = {"activation": ("relu",), "depth": (DEEP,)}
    return Number(metric, starts, blocks, "max" if len(starts) > 1 else "only", "only")


def lead(activation: str, start: str, other: str) -> Number:
    """How much more accurate networks of one start are than those of another."""
    blocks: dict[str, tuple[Level, ...]] = {"activation": (activation,), "depth": (DEEP,)}
    return Number("steady_test_accuracy", (start, other), blocks, "difference", "only", ONE_CLASS)


def most(name: str, text: str, passage: str, number: Number, by_hand: str = "", **region: float) -> Claim:
    return Claim(name, text, passage, "most", number, by_hand=by_hand, **region)


def cells(start: str, *activations: str, depth: int = DEEP) -> tuple[Levels, ...]:
    return tuple({"start": start, "activation": each, "depth": depth} for each in activations)


A, B85 = "A (Initialization)", "B 8.5"
GONE = "less than a hundredth counts as vanished"
BURST = "a hundredfold counts as exploded"
KEPT = "a hundredth counts as vanished and a hundredfold as exploded"
MOVES_LITTLE = "a tenth of the way, as in activation_depth"
CLOSE = "next orders in 1/width, and examples that differ, move a factor by less than three percent"
GROWS, SHRINKS = EXPLODED ** (1 / STEPS), VANISHED ** (1 / STEPS)  # by a layer
WITH_THEORY = (("xavier", "tanh"), ("he", "relu"), ("normal", "relu"), ("small", "tanh"))
NAMES = {
    "default": "PyTorch's", "xavier": "Xavier's", "he": "He's", "normal": "standard normal", "small": "small",
    "zero": "all zeros", "unit": "factor one", "double": "factor two",
    "shuffled": "He's, shuffled labels", "xavier-slow": "Xavier's, at rate 0.001", "he-slow": "He's, at rate 0.001",
}  # fmt: skip
SIGNALS = (
    "small-start-vanishes", "xavier-keeps-signal", "he-keeps-signal", "xavier-keeps-activations",
    "he-keeps-activations", "xavier-keeps-signal-of-sigmoid", "he-keeps-signal-of-sigmoid",
    *(f"standard-normal-{what}-{each}" for what in ("activations", "gradients") for each in ACTIVATIONS),
    *(f"theory-{way}-{start}-{each}" for way in ("forward", "backward") for start, each in WITH_THEORY),
)  # fmt: skip
STUDY = Study(
    name="initialization",
    question="What does the start of a network decide: its signals, its symmetry, its training?",
    passage="A (Linear Regression Model, Vanishing Gradient Problem, Initialization), B 4.4, 6.1, 8.5",
    says="All zeros leave the units alike, very small weights let the gradient vanish, and under a standard normal "
    "start activations and gradients grow or shrink exponentially with depth, so that training cannot start. Xavier's "
    "start, for tanh, and He's, for ReLU, prevent it: they scale the variance to the fan-in. PyTorch's default is "
    "He's.",
    configure=configure,
    arms=Factor("start", STARTS, words=NAMES),
    blocks=(
        Factor("activation", ACTIVATIONS),
        Factor("depth", (2, 5, DEEP), label="hidden layers", phrase="at depth {}"),
    ),
    grids=(
        {"start": STARTS[:-1], "depth": (DEEP,)},
        {"start": ("small",), "depth": (5,)},
        {"start": ("zero",), "depth": (2,)},
    ),
    choices=(
        Factor("width", (64, 256), label="units a layer", phrase="with {} units a layer"),
        Factor("optimizer", ("sgd", "adam")),
        Factor("rate", ("customary", "tenth", "tuned"), phrase="at {} rate",
               in_text={"customary": "the customary", "tenth": "a tenfold lower", "tuned": "a tuned"}),
        Factor("horizon", (5, 15), phrase="at a horizon of {} epochs"),
    ),
    universes=({"width": 256}, {"optimizer": "adam"}, {"rate": "tenth"}, {"rate": "tuned"}, {"horizon": 15}),
    universe_reasons="What the documents leave open, each alone: the width, by which standard normal weights grow and "
    "chance gets smaller; the optimiser; the rate, tuned for each start too, since large weights need a low one; and "
    "the horizon. Left out: other depths, and these crossed, for their cost.",
    # large weights may need a much lower rate
    tuning=Tuning({"lr": (0.001, 10.0)}, "validation_loss", "minimize", budget=9, at_once=3, seeds=2, widen=True),
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "quick": Tier(seeds=5, overrides={"num_train": 2000}),
        "smoke": Tier(seeds=2, overrides={"num_train": 300},
                      levels={"start": ("xavier", "he", "normal", "zero"), "activation": ("tanh", "relu"),
                              "rate": ("customary", "tenth"), "horizon": (5,)}),
    },
    headline=("forward_factor", "backward_factor", "steady_test_accuracy"),
    controls=(
        Control("as-in-plain-pytorch", "Networks of 20 layers train as they do alone in plain PyTorch", kind="identity",
                number=Number("alone_difference", SLOW, {"activation": ("tanh", "relu"), "depth": (DEEP,)}, "max",
                              "max"),
                below=1e-6,  # after 100 steps in float64
                cells=tuple(cell for slow in SLOW for cell in cells(slow, "tanh", "relu"))),
        Control("the-same-again", "The same training once more, with nobody looking, ends at the same weights to the "
                "bit", kind="identity", below=1e-30,
                number=Number("repeat_difference", SLOW, {"activation": ("tanh", "relu"), "depth": (DEEP,)}, "max",
                              "max")),
        Control("drawn-as-the-library-does", "The harness's weights have the variance of the library's, to 3 %",
                kind="always", number=drawn("library_difference", *LIBRARY), below=0.03),
        # by theory the mean is below the factor by one percent at the most
        Control("grows-twofold", "An effect that must show: linear layers of factor two double activations, to 3 %",
                number=of("forward_factor", "double", "identity"), above=1.94, below=2.06,
                cells=cells("double", "identity"), guards=SIGNALS),
        Control("stays-as-it-is", "An effect that must not show: linear layers of factor one keep activations, to 3 %",
                number=of("forward_factor", "unit", "identity"), above=0.97, below=1.03,
                cells=cells("unit", "identity"), guards=SIGNALS),
        Control("passes-all-of-it", "Linear layers of factor one pass back all of the signal, to 3 %",
                number=of("backward_factor", "unit", "identity"), above=0.97, below=1.03,
                cells=cells("unit", "identity"), guards=SIGNALS),
        Control("units-differ", "An effect that must show: from He's start two units differ", kind="always",
                number=of("unit_difference", "he", "relu", at={"layer": 2, "epoch": 0}), above=0.1,
                cells=cells("he", "relu"), guards=("zero-start-symmetric",)),
        Control("nothing-to-learn", "Trained on labels dealt out at random, two layers of ReLU are at chance",
                number=of("steady_test_accuracy", "shuffled", "relu", depth=2, missing=(0.0, 1.0)),
                above=0.07, below=0.13,  # a tenth, to three points
                cells=cells("shuffled", "relu", depth=2), guards=("xavier-suits-tanh", "he-suits-relu")),
    ),
    claims=(
        Claim("he-variance", "He's start draws weights of variance 2 over the number of inputs.", "A, B 4.4, 8.5",
              "always", drawn("library_variance", "he"), above=1.94, below=2.06),
        Claim("xavier-by-fan-in", "The variance of Xavier's start goes by the number of inputs alone.", "B 4.4, 8.5",
              "always", drawn("library_wide_over_square", "xavier"), above=0.97, below=1.03),
        Claim("default-is-he", "PyTorch's default start is He's: its variance is 2 over the number of inputs.", "B 6.1",
              "always", drawn("library_variance", "default"), above=1.94, below=2.06),
        # of weights that are below 1, what rounding in float32 can come to in 400 steps
        Claim("zero-start-symmetric", "From zeros the units of a layer stay alike while they are trained.", A, "always",
              of("unit_difference", "zero", *ACTIVATIONS, depth=2, at={"layer": 2, "epoch": 5}), below=1e-4),
        most("zero-start-stuck", "From zeros two hidden layers learn nothing, whatever the activation.", A,
             of("train_progress", "zero", *ACTIVATIONS, depth=2, missing=NOWHERE), below=FLAT, by_hand=MOVES_LITTLE),
        most("small-start-vanishes", "From very small weights the signal vanishes within 5 layers.", "A",
             of("signal_arriving", "small", *ACTIVATIONS, depth=5), below=VANISHED, by_hand=GONE),
        most("xavier-keeps-signal", "Xavier's start keeps the signal through 20 layers of tanh.", "A, B 8.5",
             of("signal_arriving", "xavier", "tanh"), above=VANISHED, below=EXPLODED, by_hand=KEPT),
        most("he-keeps-signal", "He's start keeps the signal through 20 layers of ReLU.", "A, B 8.5",
             of("signal_arriving", "he", "relu"), above=VANISHED, below=EXPLODED, by_hand=KEPT),
        most("xavier-keeps-activations", "Xavier's start keeps the activations of 20 layers of tanh.", A,
             of("forward_factor", "xavier", "tanh"), above=SHRINKS, below=GROWS, by_hand=KEPT),
        most("he-keeps-activations", "He's start keeps the activations of 20 layers of ReLU.", A,
             of("forward_factor", "he", "relu"), above=SHRINKS, below=GROWS, by_hand=KEPT),
        *(
            most(f"{start}-keeps-signal-of-sigmoid",
                 f"{NAMES[start]} start keeps the signal through 20 layers of sigmoid.", "A (Vanishing Gradient "
                 "Problem)", of("signal_arriving", start, "sigmoid"), above=VANISHED, below=EXPLODED, by_hand=KEPT)
            for start in ("xavier", "he")
        ),
        *(
            most(f"standard-normal-activations-{each}", "Under a standard normal start the activations of "
                 f"{WORD[each]} grow exponentially.", B85, of("forward_factor", "normal", each), above=GROWS,
                 by_hand=BURST)
            for each in ACTIVATIONS
        ),
        *(
            most(f"standard-normal-gradients-{each}", f"Under a standard normal start the gradients of {WORD[each]} "
                 "grow exponentially.", B85, of("signal_arriving", "normal", each), above=EXPLODED, by_hand=BURST)
            for each in ACTIVATIONS
        ),
        *(
            most(f"standard-normal-untrainable-{each}", f"From a standard normal start 20 layers of {WORD[each]} "
                 "cannot be trained.", B85, of("train_progress", "normal", each, missing=NOWHERE), below=FLAT,
                 by_hand=MOVES_LITTLE)
            for each in ACTIVATIONS
        ),
        most("xavier-suits-tanh", "20 layers of tanh are more accurate from Xavier's start than from He's.", B85,
             lead("tanh", "xavier", "he"), above=0.0),
        most("he-suits-relu", "20 layers of ReLU are more accurate from He's start than from Xavier's.", B85,
             lead("relu", "he", "xavier"), above=0.0),
        *(
            Claim(f"theory-{way}-{start}-{each}", f"From {NAMES[start]} start a layer of {WORD[each]} multiplies the "
                  f"{what} by what theory says, on average to 3 %.", "project", "mean",
                  of(f"{way}_factor", start, each, over=way), above=0.97, below=1.03, by_hand=CLOSE)
            for way, what in (("forward", "activations"), ("backward", "signal"))
            for start, each in WITH_THEORY
        ),
    ),
    predictions={"forward": forward, "backward": backward},
)  # fmt: skip
