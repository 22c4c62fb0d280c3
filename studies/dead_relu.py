"""Do aggressive updates kill units of ReLU, for ever, and do its successors keep theirs alive?

Question. Document A says that an update that is too aggressive makes a unit's input negative for all training data, so
that its output and gradient are 0 and it is never updated again; document B (8.2) that after training many units always
output zero. Both name remedies: leaky ReLU, PReLU, GELU, SiLU. B (7.1) adds that a smooth slope steadies training.

Cost. Full tier: five activations at four rates and two cases for controls, 20 seeds each.

What to expect. A unit of the first layer that no training example reaches has a gradient of exactly zero there, so
plain gradient descent never moves it again. In a deeper layer its inputs go on changing with the layers below, which
may wake it. Leaky ReLU has a slope of 0.01 everywhere, so by definition none of its units dies; whether it learns
enough to come back is another matter. GELU and SiLU have a slope that falls off to nothing: far out they die as well.

*Silent* is a unit whose input is above zero on no training example, *dead* one whose slope is above a thousandth on
none: of ReLU the same, of the others not. Both are taken over all training examples, not a batch, and slopes in float64
at the inputs, so that an output that underflows is not taken for death. Each unit is followed by itself over six looks.
Networks have three hidden layers of 128 units, PyTorch's start and 10,000 images of MNIST, on which each look can
afford to be at all of them. 0.1 is the customary rate, as in activation_depth; ten times that is "too aggressive": the
document names no rate, and a tenth and ten times are how rates are commonly searched. Sizes and regions were fixed
before any run but smoke.
"""

from __future__ import annotations

from dataclasses import replace

from research.design.study import Amendment, Claim, Control, Factor, Number, Study, Tier
from research.training.config import TrainConfig

ARMS = ("relu", "leaky_relu", "prelu", "gelu", "silu")
NAMES = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "prelu": "PReLU", "gelu": "GELU", "silu": "SiLU"}
PACES = (1, 3, 10, 30)
USUAL, AGGRESSIVE = 1, 10  # the highest rate is there to show how it goes on
EPOCHS = 10  # as many steps as two epochs of all images; at the customary rate training is then still going on
LOOKS = (0, 1, 2, 3, 5, EPOCHS)  # soon after each other at first, since most of what the rate does happens early
SHARE = (0.0, 1.0)  # what a share can be, that of a replicate that diverged too
NONE = 1e-9  # of a share of 384 units: not one
CONTROLS = ("zero", "still")


def configure(activation: str, pace: int, optimizer: str, init: str, depth: int, decay: float) -> TrainConfig:
    """784-128xdepth-10 on 10,000 images."""
    # as is customary: 0.1 for plain descent; a tenth with momentum 0.9, whose steps add up to ten; 0.001 for Adam
    lr, momentum = {"sgd": (0.1, 0.0), "momentum": (0.01, 0.9), "adam": (0.001, 0.0)}[optimizer]
    config = TrainConfig(
        depth=depth,
        width=128,
        activation=activation if activation in ARMS else "relu",
        init="zero" if activation == "zero" else init,
        optimizer="adam" if optimizer == "adam" else "sgd",
        momentum=momentum,
        weight_decay=decay,
        lr=0.0 if activation == "still" else lr * pace,
        num_train=10_000,
        epochs=EPOCHS,
        probe_epochs=LOOKS,
        probes=("unit_deaths",),
        measures=("loss_rises", *(("learnt_slope",) if activation == "prelu" else ())),
    )
    if activation not in ARMS or pace != USUAL:
        return config
    return replace(config, measures=(*config.measures, "alone", *(("repeated",) if activation == "relu" else ())))


def of_units(share: str, activation: str, pace: int = AGGRESSIVE, layer: int = 0) -> Number:
    """A share of units, of one layer at the last look where it is named."""
    at = {"layer": layer, "epoch": EPOCHS} if layer else {}
    return Number(share, (activation,), {"pace": (pace,)}, "only", "only", SHARE, at=at)


def avoids(activation: str) -> tuple[Claim, Claim]:
    """That none of its units, or next to none, is dead, and that silent ones come back."""
    name, passage = activation.removesuffix("_relu"), "A, B 8.2" if activation != "silu" else "B 8.2"
    return (
        Claim(f"{name}-avoids", f"With {NAMES[activation]} next to no unit dies at ten times the rate.",
              passage, "most", of_units("dead_share", activation), below=0.01, by_hand="one unit in a hundred"),
        Claim(f"{name}-wakes", f"With {NAMES[activation]} most units that fall silent wake again.",
              passage, "most", of_units("woken_share", activation), above=0.5),
    )  # fmt: skip


def steadier(activation: str) -> Claim:
    """That the training loss rises by less in all than with ReLU, at the aggressive rate."""
    rises = Number("loss_rises", (activation, "relu"), {"pace": (AGGRESSIVE,)}, "difference", "only", (0, float("inf")))
    return Claim(f"{activation}-is-steadier", f"With {NAMES[activation]}, whose slope is smooth, training is steadier "
                 "than with ReLU: its loss rises by less.", "B 7.1", "most", rises, below=0.0)  # fmt: skip


STUDY = Study(
    name="dead_relu",
    question="Do aggressive updates kill units of ReLU, for ever, and do its successors keep theirs alive?",
    passage="A (ReLU), B 3.3, B 7.1, B 8.2",
    says="Too aggressive an update makes the input of a ReLU unit negative for all training data: its output and its "
    "gradient are 0 from then on, and it is never updated again. After training many units always output zero. Leaky "
    "ReLU, PReLU, GELU and SiLU avoid it, and a smooth slope makes training steadier.",
    configure=configure,
    arms=Factor("activation", ARMS, words=NAMES | {"zero": "ReLU from zero", "still": "ReLU at rate 0"}),
    blocks=(Factor("pace", PACES, label="multiple of the customary rate"),),
    choices=(
        Factor("optimizer", ("sgd", "momentum", "adam"), words={"momentum": "SGD with momentum"}),
        Factor("init", ("default", "he")),
        Factor("depth", (3, 8), phrase="with {} hidden layers"),
        Factor("decay", (0.0, 0.0005), label="weight decay", phrase="with a weight decay of {}"),
    ),
    universes=({"optimizer": "momentum"}, {"optimizer": "adam"}, {"init": "he"}, {"depth": 8}, {"decay": 0.0005}),
    universe_reasons="What the documents leave open, each alone. Momentum, Adam and weight decay move weights that "
    "have no gradient, so a dead unit need not stay where it is; He's start has larger weights; what is deeper has "
    "more units whose inputs change. Left out: batches of other sizes, a horizon of more epochs, normalisation.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=220),
        "quick": Tier(seeds=5, levels={"pace": (USUAL, AGGRESSIVE)}),
        "smoke": Tier(seeds=2, overrides={"num_train": 300},
                      levels={"activation": ("relu", "prelu"), "pace": (USUAL, AGGRESSIVE)}),
    },
    headline=("dead_share", "steady_test_accuracy"),
    direction="minimize",
    controls=(
        Control(
            name="as-in-plain-pytorch",
            text="Each network trains as it does alone in plain PyTorch: after 100 steps in float64 no weight differs",
            kind="identity",
            number=Number("alone_difference", ARMS, {"pace": (USUAL,)}, "max", "only"),
            below=1e-6,  # rounding is about 1e-16 a step, and training makes it grow
        ),
        Control(
            name="the-same-again",
            text="The same training once more, with nobody looking, ends at the same weights to the bit",
            kind="identity",
            number=Number("repeat_difference", ("relu",), {"pace": (USUAL,)}, "only", "only"),
            below=1e-30,
        ),
        Control(
            name="dead-from-the-start",
            text="An effect that must show: started with all weights at zero, every unit of ReLU is and stays dead",
            kind="always",
            number=of_units("dead_share", "zero", USUAL),
            above=1 - NONE,
            cells=({"activation": "zero", "pace": USUAL},),
        ),
        Control(
            name="no-update-no-death",
            text="An effect that must not show: at a rate of 0 no unit falls silent",
            kind="identity",
            number=of_units("silenced_share", "still", USUAL),
            below=NONE,
            cells=({"activation": "still", "pace": USUAL},),
        ),
    ),
    claims=(
        Claim("aggressive-updates-kill", "Ten times the customary rate makes the input of more units negative for all "
              "training data.", "A, B 3.3", "most",
              Number("silenced_share", ("relu",), {"pace": (AGGRESSIVE, USUAL)}, "only", "difference", SHARE),
              above=0.01, by_hand="one unit in a hundred: the document speaks of single units"),
        Claim("many-always-zero", "After training at the customary rate many units of ReLU always output zero.",
              "B 8.2", "most", of_units("dead_share", "relu", USUAL), above=0.1, by_hand="a tenth of them are many"),
        Claim("many-when-aggressive", "After training at ten times that rate many units of ReLU always output zero.",
              "B 8.2", "most", of_units("dead_share", "relu"), above=0.1, by_hand="a tenth of them are many"),
        Claim("dead-gradient-zero", "The gradient of a unit that is silent on all training data is 0.", "A",
              "identity", of_units("silent_gradient", "relu"), below=1e-30),
        Claim("never-updated", "A unit of ReLU that fell silent is never updated again.", "A", "most",
              of_units("moved_share", "relu"), below=NONE),
        Claim("dead-for-ever", "In the first layer a unit of ReLU that fell silent stays so for ever.", "A, B 8.2",
              "most", of_units("woken", "relu", layer=1), below=NONE),
        Claim("dead-for-ever-deeper", "In the third layer a unit of ReLU that fell silent stays so for ever.",
              "A, B 8.2", "most", of_units("woken", "relu", layer=3), below=NONE),
        *(claim for activation in ARMS[1:] for claim in avoids(activation)),
        Claim("prelu-slope-moves", "The slope of PReLU is learnt: it moves from where it began.", "A, B 7.1", "most",
              replace(of_units("slope_change", "prelu", USUAL), missing=(0, float("inf"))), above=0.025,
              by_hand="a tenth of the 0.25 that it begins at"),
        steadier("gelu"),
        steadier("silu"),
    ),
    amendments=(
        Amendment(
            date="2026-11-30",
            what="That a training can be repeated to the bit is measured at the customary rate. Seeds 220 to 239, in "
            "universes 220 to 227.",
            why="At ten times that rate ReLU diverged in two seeds, and a training that ends in no numbers cannot be "
            "compared with its repetition; nothing was wrong with the apparatus.",
            seen="all results of seeds 200 to 219, and of smoke",
        ),
    ),
)  # fmt: skip
