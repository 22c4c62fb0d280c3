"""Do gradients vanish on their way to the first layers, and do these layers therefore stay as they are?

Question. Both documents say that a sigmoid passes back at most a quarter of the gradient, so that through L layers it
shrinks as 0.25^L and the first layers stop learning (document A; B 8.1 says it of the deep ones), that tanh does so
too, and that ReLU passes all of it, through 10 layers or 100. Where the factors are large, gradients explode (B 4.4).

Cost. A few minutes: networks of 20 layers and of one are trained, others are looked at before training.

What to expect. A signal is multiplied by the weights as well as by the slopes: mean-field theory gives 0.14 a layer for
sigmoid, 0.57 for tanh and 0.41 for ReLU under PyTorch's start. What it predicts at this width is drawn beside what is
measured, and their agreement is claimed. Where a network's activations shrink from layer to layer as its signals do,
weights have gradients of one size everywhere (Glorot and Bengio 2010, section 4.2.1): the two are told apart.

A layer is a hidden one, but for layer 21 of 20, which gives the logits. "Signal" is the gradient by pre-activations.
Vanished is what has a hundredth left, undiminished what has half: between the two nothing is claimed. A layer "barely
changes" where its weights move by less than a hundredth of their norm, and "learns" where they move by a tenth. All was
fixed before any run but smoke. 10,000 images and 64 units, so that 20 layers are affordable.
"""

from dataclasses import replace
from functools import cache
from typing import Any

from research.design.study import Claim, Control, Factor, Levels, Number, Study, Tier, Tuning
from research.training.config import TrainConfig
from research.training.mean_field import Signals, expected_signals

INPUT_SQUARE = 0.112  # mean square of a pixel of MNIST's training images, from 0 to 1
ACTIVATIONS = ("sigmoid", "tanh", "relu")
# What differs from a network of its activation under the start that is chosen; starts by gain: He's is 1 for ReLU.
SPECIAL: dict[str, dict[str, Any]] = {
    "sigmoid-norm": {"normalization": "batch"},
    "sigmoid-tails": {"input_scale": 1e5},  # by theory a slope's root mean square is then below a hundredth of 0.25
    "tanh-normal": {"init": "normal", "init_std": 1.0},
    "relu-xavier": {"init": "xavier"},
    "relu-half": {"gain": 0.5},
    "relu-twice": {"gain": 2.0},
    "identity-half": {"gain": 0.5},
    "identity-one": {"gain": 1.0},
    "sigmoid-still": {"lr": 0.0},
    "sigmoid-shuffled": {"labels": "shuffled"},
    **{f"{name}-slow": {"lr": 0.001} for name in ACTIVATIONS},  # where what holds to the bit is not made chaotic
}
SLOW = tuple(f"{name}-slow" for name in ACTIVATIONS)
TRAINED = (1, 20)  # layers; at other depths networks are only looked at
VANISHED, UNDIMINISHED, BARELY, LEARNS = 0.01, 0.5, 0.01, 0.1
POSITIVE = (0.0, float("inf"))  # where a share or change of a replicate that diverged lies
ACCURACY = (0.0, 1.0)


def configure(network: str, depth: int, init: str, width: int, optimizer: str, rate: str) -> TrainConfig:
    """784-64xdepth-10 on 10,000 images."""
    activation, special = network.partition("-")[0], dict(SPECIAL.get(network, {}))
    gain = special.pop("gain", None)
    if gain is not None:
        special |= {"init": "normal", "init_std": gain * ((2 if activation == "relu" else 1) / width) ** 0.5}
    is_trained = depth in TRAINED and activation != "identity"
    config = TrainConfig(
        depth=depth,
        width=width,
        activation=activation,
        init=init,
        num_train=10_000,
        epochs=5 if is_trained else 0,  # as in activation_depth, and so are the rates
        probe_epochs=(0, 1, 5),
        probes=("signals", "weight_change"),
        measures=("alone", "repeated") if network in SLOW else (),
    )
    if is_trained:
        lr = {"sgd": 0.1, "adam": 0.001}[optimizer] * (10 if rate == "tenfold" else 1)
        config = replace(config, optimizer=optimizer, lr=lr)
    return replace(config, **special)


@cache
def theory(**levels: Any) -> Signals:
    """What is expected of the start of a network of two layers or more, without a normalisation."""
    return expected_signals(configure(**levels), INPUT_SQUARE)


def passed_back(**levels: Any) -> float:
    """The factor of a layer that theory gives; 1 where there is but one layer."""
    return theory(**levels).backward_factor if levels["depth"] > 1 else 1.0


def start(metric: str, network: str, depth: int = 20, **more: Any) -> Number:
    return Number(metric, (network,), {"depth": (depth,)}, "only", "only", POSITIVE, **more)


def at(metric: str, network: str, layer: int, epoch: int, depth: int = 20) -> Number:
    return start(metric, network, depth, at={"layer": layer, "epoch": epoch})


def versus(one: str, other: str) -> Number:
    """What arrives in the first of 20 layers of one network, as a multiple of what does in another."""
    return Number("signal_arriving", (one, other), {"depth": (20,)}, "ratio", "only", POSITIVE)


def deeper(network: str) -> Number:
    """What arrives in the first of 20 layers, as a multiple of what does in the first of 5."""
    return Number("signal_arriving", (network,), {"depth": (20, 5)}, "only", "ratio", POSITIVE)


def cell(network: str, depth: int = 20) -> Levels:
    return {"network": network, "depth": depth}


def most(name: str, text: str, passage: str, number: Number, by_hand: str = "", **region: float) -> Claim:
    return Claim(name, text, passage, "most", number, by_hand=by_hand, **region)


A = "A (Vanishing Gradient Problem)"
GONE = "less than a hundredth counts as vanished"
KEPT = "more than half counts as undiminished"
STAYS = "a hundredth of the norm counts as barely changed"
AS_QUARTERS = "a factor of two in four layers, as in activation_depth"
CLOSE = "next orders in 1/width, and examples that differ, move a factor by less than three percent"
MOVES = "near-output-learns", "near-input-stays", "deep-layers-stay"
SIGNALS = (
    "at-most-a-quarter", "quarter-to-the-depth", "twenty-layers-nothing", "sigmoid-vanishes-with-depth",
    "tanh-vanishes-with-depth", "small-factors-vanish", "large-factors-explode", "flat-tails-vanish",
    "flat-tails-vanish-with-large-weights", "relu-undiminished", "relu-undiminished-100", "relu-over-sigmoid",
    "signals-fall", "weight-gradients-stay", "theory-sigmoid", "theory-tanh", "theory-relu",
)  # fmt: skip
STUDY = Study(
    name="vanishing_gradient",
    question="Do gradients vanish on their way to the first layers, and do these therefore stay as they are?",
    passage="A (Vanishing Gradient Problem, ReLU Activation Function), B 4.4, 6.3, 7.1, 8.1, Q2",
    says="A sigmoid passes back at most a quarter of the gradient, so that through 20 layers nothing is left and the "
    "first layers barely change, while those near the output learn; tanh is no better. ReLU passes on all of it, "
    "through 10 layers or 100.",
    configure=configure,
    arms=Factor(
        "network",
        (*ACTIVATIONS, "sigmoid-norm", "relu-xavier", "relu-half", "relu-twice", "sigmoid-tails", "tanh-normal"),
        words={
            "relu": "ReLU", "relu-xavier": "ReLU from Xavier's start", "sigmoid-norm": "normalised sigmoid",
            "relu-half": "ReLU at half of He's weights", "relu-twice": "ReLU at twice He's weights",
            "sigmoid-tails": "sigmoid with inputs times 100,000", "tanh-normal": "tanh from a standard normal start",
            "identity-half": "linear of factor a half", "identity-one": "linear of factor one",
            "sigmoid-still": "sigmoid at rate 0", "sigmoid-shuffled": "sigmoid on shuffled labels",
            **{slow: f"{name} at rate 0.001" for slow, name in zip(SLOW, ("sigmoid", "tanh", "ReLU"), strict=True)},
        },
    ),
    blocks=(Factor("depth", (1, 5, 10, 20, 100), label="hidden layers", phrase="at depth {}"),),
    grids=(
        {"network": ACTIVATIONS, "depth": (5, 10, 20)},
        {"network": ("sigmoid",), "depth": (1,)},
        {"network": ("relu",), "depth": (100,)},
        {"depth": (20,)},
    ),
    choices=(
        Factor("init", ("default", "xavier", "he")),
        Factor("width", (64, 256), label="units a layer", phrase="with {} units a layer"),
        Factor("optimizer", ("sgd", "adam")),
        Factor("rate", ("customary", "tenfold", "tuned"), phrase="at {} rate",
               in_text={"customary": "the customary", "tenfold": "a tenfold", "tuned": "a tuned"}),
    ),
    universes=(
        {"init": "xavier"}, {"init": "he"}, {"width": 256}, {"optimizer": "adam"},
        {"init": "xavier", "optimizer": "adam"}, {"rate": "tenfold"}, {"rate": "tuned"},
    ),
    universe_reasons="How much a layer passes back depends on the start and, by chance, on the width; what a small "
    "gradient does depends on the optimiser (Adam divides by its size) and on the rate, which is tuned for each "
    "network too. Left out: a longer horizon, and a tuned rate from other starts, for their cost.",
    tuning=Tuning({"lr": (0.03, 30.0)}, "validation_loss", "minimize", budget=9, at_once=3, seeds=2, widen=True),
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "quick": Tier(seeds=5, overrides={"num_train": 2000}, levels={"depth": (1, 5, 20)}),
        "smoke": Tier(seeds=2, overrides={"num_train": 300},
                      levels={"network": (*ACTIVATIONS, "relu-xavier"), "depth": (5, 20),
                              "rate": ("customary", "tenfold"), "optimizer": ("sgd",)}),
    },
    headline=("backward_factor", "steady_test_accuracy"),
    controls=(
        Control("as-in-plain-pytorch", "Networks of 20 layers train as they do alone in plain PyTorch", kind="identity",
                number=Number("alone_difference", SLOW, {"depth": (20,)}, "max", "only"),
                below=1e-6,  # after 100 steps in float64
                cells=tuple(map(cell, SLOW))),
        Control("the-same-again", "The same training once more, with nobody looking, ends at the same weights to the "
                "bit", kind="identity", number=Number("repeat_difference", SLOW, {"depth": (20,)}, "max", "only"),
                below=1e-30, cells=tuple(map(cell, SLOW))),
        Control("still-at-rate-0", "An effect that must not show: at a rate of 0 no weight moves", kind="identity",
                number=at("weight_change", "sigmoid-still", 21, 5), below=1e-30, cells=(cell("sigmoid-still"),),
                guards=MOVES),
        Control("moves-at-a-rate", "An effect that must show: the last weights of a single hidden layer move",
                kind="always", number=at("weight_change", "sigmoid", 2, 5, depth=1), above=1e-6,
                cells=(cell("sigmoid", 1),), guards=MOVES),
        # by theory the mean is below the factor by one percent at the most
        Control("half-a-layer", "An effect that must show: a linear layer of factor a half passes back half, to 3 %",
                number=start("backward_factor", "identity-half"), above=0.485, below=0.515,
                cells=(cell("identity-half"),), guards=SIGNALS),
        Control("all-of-it", "An effect that must not show: a linear layer of factor one passes back all, to 3 %",
                number=start("backward_factor", "identity-one"), above=0.97, below=1.03,
                cells=(cell("identity-one"),), guards=SIGNALS),
        Control("nothing-to-learn", "Trained on labels dealt out at random, one hidden layer is at chance",
                number=Number("steady_test_accuracy", ("sigmoid-shuffled",), {"depth": (1,)}, "only", "only", ACCURACY),
                above=0.07, below=0.13,  # a tenth, to three points
                cells=(cell("sigmoid-shuffled", 1),), guards=("depth-gains-nothing",)),
    ),
    claims=(
        most("at-most-a-quarter", "A sigmoid layer passes back at most a quarter of the signal.", A,
             start("backward_factor", "sigmoid"), below=0.25),
        most("quarter-to-the-depth", "Through 20 sigmoid layers the signal shrinks as 0.25^L.", "A, B 8.1, Q2",
             start("backward_factor", "sigmoid"), above=0.25 / 2**0.25, below=0.25 * 2**0.25, by_hand=AS_QUARTERS),
        most("twenty-layers-nothing", "After 20 sigmoid layers the signal is practically zero.", A,
             start("signal_arriving", "sigmoid"), below=2.0**-23,
             by_hand="less than the last bit of a number of the last layer's size, in float32"),
        most("sigmoid-vanishes-with-depth", "With sigmoid the signal vanishes as depth goes from 5 to 20.", "A, B 4.4",
             deeper("sigmoid"), below=VANISHED, by_hand=GONE),
        most("tanh-vanishes-with-depth", "With tanh the signal vanishes as depth goes from 5 to 20.", "B 4.4",
             deeper("tanh"), below=VANISHED, by_hand=GONE),
        most("small-factors-vanish", "Through 20 layers products of small factors vanish.", "B 4.4",
             start("signal_arriving", "relu-half"), below=VANISHED, by_hand=GONE),
        most("large-factors-explode", "Through 20 layers products of large factors explode.", "B 4.4",
             start("signal_arriving", "relu-twice"), above=1 / VANISHED, by_hand="a hundredfold counts as exploded"),
        most("flat-tails-vanish", "Where a layer's slopes are close to 0, its signal vanishes, all else being equal.",
             "A (Linear Regression Model)", versus("sigmoid-tails", "sigmoid"), below=VANISHED, by_hand=GONE),
        most("flat-tails-vanish-with-large-weights",
             "Where most slopes are close to 0, the signal vanishes even if weights are large.",
             "A (Linear Regression Model)", start("signal_arriving", "tanh-normal"), below=VANISHED, by_hand=GONE),
        most("relu-undiminished", "Through 10 layers of ReLU the signal flows back undiminished.", "A, B 6.3, 7.1, Q2",
             start("signal_arriving", "relu", 10), above=UNDIMINISHED, by_hand=KEPT),
        most("relu-undiminished-100", "Through 100 layers of ReLU the signal flows back undiminished.", "A",
             start("signal_arriving", "relu", 100), above=UNDIMINISHED, by_hand=KEPT),
        most("relu-over-sigmoid", "Through 20 layers more of the signal arrives with ReLU than with sigmoid.", A,
             versus("relu", "sigmoid"), above=1.0),
        # after an epoch: before it there are no running means yet, with which networks are looked at
        most("batch-norm-keeps-gradient", "With batch normalisation a signal arrives through 20 sigmoid layers.", A,
             at("signal_share", "sigmoid-norm", 1, 1), above=VANISHED, by_hand=GONE),
        most("near-output-learns", "In 20 layers of sigmoid the weights next to the output learn.", A,
             at("weight_change", "sigmoid", 21, 5), above=LEARNS, by_hand="a tenth of the norm counts as learning"),
        most("near-input-stays", "In 20 layers of sigmoid the weights next to the input barely change.", A,
             at("weight_change", "sigmoid", 1, 5), below=BARELY, by_hand=STAYS),
        most("deep-layers-stay", "In an epoch the weights of the deepest of 20 sigmoid layers barely change.", "B 8.1",
             at("weight_change", "sigmoid", 20, 1), below=BARELY, by_hand=STAYS),
        most("depth-gains-nothing", "Of 20 sigmoid layers no advantage is left over a single one.", A,
             Number("steady_test_accuracy", ("sigmoid",), {"depth": (20, 1)}, "only", "difference", ACCURACY),
             below=0.005, by_hand="half a point counts as an advantage"),
        most("signals-fall", "Through 20 layers of ReLU from Xavier's start the signal vanishes.", "project",
             start("signal_arriving", "relu-xavier"), below=VANISHED, by_hand=GONE),
        most("weight-gradients-stay", "There the first weights have gradients at least half as large as the last.",
             "project", start("weight_gradient_arriving", "relu-xavier"), above=UNDIMINISHED, by_hand=KEPT),
        most("signals-fall-after", "After five epochs its signal vanishes too.", "project",
             at("signal_share", "relu-xavier", 1, 5), below=VANISHED, by_hand=GONE),
        most("weight-gradients-stay-after", "After five epochs its first weights have half the gradients of the last.",
             "project", at("weight_gradient_share", "relu-xavier", 1, 5), above=UNDIMINISHED, by_hand=KEPT),
        *(
            Claim(f"theory-{name}", f"A layer of {word} passes back what theory says, on average to 3 %.", "project",
                  "mean", start("backward_factor", name, over="theory"), above=0.97, below=1.03, by_hand=CLOSE)
            for name, word in zip(ACTIVATIONS, ("sigmoid", "tanh", "ReLU"), strict=True)
        ),
    ),
    predictions={"theory": passed_back},
)  # fmt: skip
