"""Does ReLU learn several times faster than tanh, and do its zeros make it generalise better?

Question. Document A says that ReLU sped up training compared with the sigmoid, and that it reached the same error rate
six times faster than tanh; that at any moment the majority of its units is zero; and that this sparsity makes a network
generalise better and overfit less.

Cost. Full tier: three activations on all images and three on few, two cells more for controls, 20 seeds each.

What to expect. The factor of six is from the figure of AlexNet's paper: a four-layer convolutional network on CIFAR-10,
each activation at a rate of its own, chosen so that training is as fast as possible. At one rate for all a network
learns the sooner the larger its gradients, so the rate may decide. Before training a unit of ReLU is on or off with
the same chance, since weights and biases are as likely positive as negative: half of them are zero, not most.

Four layers as there: three hidden ones of 128 units and the output. 95 % of MNIST's validation images is what
loss_convergence asks for. Batches of 32 make a step cheap, so that evaluations are close together; 6,000 of them are
three and a half epochs. Overfitting needs repetition: "few" are 10,000 images, each seen nineteen times. Leaky ReLU is
there ReLU without its zeros: a slope of 0.01 leaves none of its outputs at zero and all else nearly as it was. Sizes
and regions were fixed before any run but smoke.
"""

from __future__ import annotations

from dataclasses import replace

from research.design.study import Claim, Control, Factor, Number, Study, Tier, Tuning
from research.training.config import TrainConfig

TARGET = 0.95
STEPS, EVERY = 6000, 50
LOOKS = (0, 500, 1000, 2000, 4000, STEPS)  # at which the zeros of each layer are counted, for the figure and the start
COMPARED = ("sigmoid", "tanh", "relu")
SPARSE = ("relu", "leaky_relu", "tanh")
SUITED = {"sigmoid": "xavier", "tanh": "xavier", "relu": "he", "leaky_relu": "he"}  # as their authors mean them
POSITIVE, SHARE = (0.0, float("inf")), (0.0, 1.0)


def configure(activation: str, case: str, rate: str, optimizer: str, start: str, depth: int) -> TrainConfig:
    """784-128xdepth-10 on MNIST, on all of it or on few images."""
    config = TrainConfig(
        depth=depth,
        width=128,
        activation=activation,
        init=SUITED[activation] if start == "suited" else "default",
        optimizer=optimizer,
        lr={"sgd": 0.1, "adam": 0.001}[optimizer] * (0.1 if rate == "tenth" else 1),  # the customary ones
        batch_size=32,
        steps=STEPS,
        evaluate_every=EVERY,
        labels="shuffled" if case == "shuffled" else "true",
        probe_steps=LOOKS,
    )
    if case == "few":
        more = ("alone", "repeated") if activation == "relu" else ("alone",)
        return replace(config, num_train=10_000, measures=("generalisation", *more))
    config = replace(config, target_accuracy=TARGET)
    if case == "all" and activation == "relu":
        return replace(config, measures=("sparsity", "alone"))
    return replace(config, measures=("alone",)) if case == "all" else config


def steps_to_target(slower: str, across: str) -> Number:
    """Steps to the target of an activation against those of ReLU."""
    return Number("steps_to_target", (slower, "relu"), {"case": ("all",)}, across, "only", POSITIVE)  # type: ignore[arg-type]


def of_relu(metric: str) -> Number:
    return Number(metric, ("relu",), {"case": ("all",)}, "only", "only", SHARE)


def against(metric: str, other: str) -> Number:
    """What ReLU has more than another activation, on few images."""
    missing = SHARE if metric == "steady_test_accuracy" else (-1.0, 1.0)
    return Number(metric, ("relu", other), {"case": ("few",)}, "difference", "only", missing)


SHUFFLED = ({"activation": "relu", "case": "shuffled"},)
STUDY = Study(
    name="relu_speed",
    question="Does ReLU learn several times faster than tanh, and do its zeros make it generalise better?",
    passage="A (Vanishing Gradient Problem), A (ReLU)",
    says="ReLU sped up training compared with the sigmoid, and reached the same error rate six times faster than tanh. "
    "At any moment the majority of its units is zero. This sparsity makes a network generalise better and overfit "
    "less.",
    configure=configure,
    arms=Factor("activation", (*COMPARED, "leaky_relu")),
    blocks=(Factor("case", ("all", "few"), label="images",
                   words={"few": "10,000", "shuffled": "all, with shuffled labels"}),),
    grids=({"activation": COMPARED, "case": ("all",)}, {"activation": SPARSE, "case": ("few",)}),
    choices=(
        Factor("rate", ("customary", "tenth", "tuned"), phrase="at {} rate",
               words={"customary": "the customary", "tenth": "a tenfold lower", "tuned": "a tuned"}),
        Factor("optimizer", ("sgd", "adam")),
        Factor("start", ("default", "suited"), phrase="with {} initialisation",
               words={"default": "the default", "suited": "each activation's own"}),
        Factor("depth", (3, 6), phrase="with {} hidden layers"),
    ),
    universes=({"rate": "tuned"}, {"rate": "tenth"}, {"optimizer": "adam"}, {"start": "suited"}, {"depth": 6}),
    universe_reasons="The document names no rate, the paper that it cites gave each network its own: rates tuned with "
    "equal budgets, for the fewest steps to the target, and one that is tenfold lower for all. Optimiser, start and "
    "depth are changed alone; suited starts are Xavier's for sigmoid and tanh, He's for ReLU. Left out: convolutions "
    "and CIFAR-10, other targets, and tuned rates crossed with the start.",
    tuning=Tuning({"lr": (0.03, 30.0)}, ("steps_to_target", "validation_loss"), "minimize", budget=9, at_once=3,
                  seeds=2, widen=True),
    headline=("steps_to_target", "steady_test_accuracy"),
    direction="minimize",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "quick": Tier(seeds=5, overrides={"steps": 2000}),
        "smoke": Tier(seeds=2, overrides={"steps": 100, "width": 16}, trials=3, levels={
            "rate": ("customary", "tuned"), "optimizer": ("sgd",), "start": ("default",), "depth": (3,)}),
    },
    controls=(
        Control(
            name="as-in-plain-pytorch",
            text="Each network trains as it does alone in plain PyTorch: after 100 steps in float64 no weight differs",
            kind="identity",
            number=Number("alone_difference", COMPARED, {"case": ("all",)}, "max", "only"),
            below=1e-6,  # rounding is about 1e-16 a step, and a high rate can make it grow
        ),
        Control(
            name="the-same-again",
            text="ReLU against ReLU: the same training once more ends at the same weights to the bit",
            kind="identity",
            number=Number("repeat_difference", ("relu",), {"case": ("few",)}, "only", "only"),
            below=1e-30,
        ),
        Control(
            name="never-is-later",
            text="An effect that must show: where labels are dealt out at random ReLU arrives later, or never",
            kind="always",
            number=Number("steps_to_target", ("relu",), {"case": ("shuffled", "all")}, "only", "difference", POSITIVE),
            above=0.0,
            cells=SHUFFLED,
            guards=("sooner-than-sigmoid", "sooner-than-tanh", "six-times"),
        ),
        Control(
            name="nothing-to-learn",
            text="An effect that must not show: trained on labels dealt out at random, ReLU is at chance",
            number=Number("steady_test_accuracy", ("relu",), {"case": ("shuffled",)}, "only", "only", SHARE, 1e-4),
            above=0.07,  # a tenth, to three points
            below=0.13,
            cells=SHUFFLED,
        ),
        Control(
            name="half-at-the-start",
            text="Before training half of the units of the third layer are zero, since weights have no sign on average",
            number=replace(of_relu("zero"), at={"layer": 3, "step": 0}),
            above=0.46,  # were all examples alike, the mean of 20 seeds of 128 units scattered by 0.01: four times that
            below=0.54,
            guards=("mostly-zero", "mostly-zero-at-any-moment"),
        ),
    ),
    claims=(
        Claim("sooner-than-sigmoid", "ReLU reaches 95 % validation accuracy in fewer steps than sigmoid.",
              "A (Vanishing Gradient Problem)", "most", steps_to_target("sigmoid", "difference"), above=0.0),
        Claim("sooner-than-tanh", "ReLU reaches 95 % validation accuracy in fewer steps than tanh.",
              "A (Vanishing Gradient Problem)", "most", steps_to_target("tanh", "difference"), above=0.0),
        Claim("six-times", "Tanh takes six times as many steps to it, to a factor of one and a half.",
              "A (Vanishing Gradient Problem)", "most", steps_to_target("tanh", "ratio"), above=4.0, below=9.0,
              by_hand="six, divided and multiplied by one and a half"),
        Claim("mostly-zero", "Most activations of a trained ReLU network are zero.", "A (ReLU)", "most",
              of_relu("steady_zero_share"), above=0.5),
        Claim("mostly-zero-at-any-moment", "For any image most units of a trained ReLU network are zero.", "A (ReLU)",
              "most", of_relu("steady_mostly_zero_share"), above=0.99, by_hand="any: all but one image in a hundred"),
        Claim("sparsity-generalises", "With its zeros ReLU is more accurate on new images than without them, as leaky "
              "ReLU.", "A (ReLU)", "most", against("steady_test_accuracy", "leaky_relu"), above=0.0),
        Claim("sparsity-overfits-less", "With its zeros ReLU overfits less than without them, as leaky ReLU.",
              "A (ReLU)", "most", against("steady_generalisation_gap", "leaky_relu"), below=0.0),
        Claim("generalises-better", "ReLU is more accurate on new images than tanh, which has no zeros.", "A (ReLU)",
              "most", against("steady_test_accuracy", "tanh"), above=0.0),
        Claim("overfits-less", "ReLU overfits less than tanh, which has no zeros.", "A (ReLU)", "most",
              against("steady_generalisation_gap", "tanh"), below=0.0),
    ),
)  # fmt: skip
