"""Does a deeper network need ReLU? Activation x depth on MNIST.

Question. Document B (6.3) trains one MLP on MNIST with one learning rate, batch size and optimiser and changes only the
activation. It says that at two or three hidden layers sigmoid, tanh, ReLU and GELU end up alike, and that from four
layers on sigmoid and tanh barely move the loss while ReLU and GELU converge, because a sigmoid passes back at most a
quarter of the gradient at each layer. Document A says the same of sigmoid ("Vanishing Gradient Problem") and of ReLU.

Cost. Full tier: 26 cells of 10 seeds, five to eight minutes on two cores. Quick: about a minute. Smoke: half a minute.
All universes: about 100 minutes at 5 seeds, measured on two cores that had other work too.

What to expect. Sigmoid learns at one or two layers and not at all when deep; whether tanh shares its fate, and whether
ReLU converges at every depth under this start and horizon, is for the data to say.

Sizes and regions are the document's; where it is silent they follow common practice. They were fixed before the first
full run and are never moved afterwards.
"""

from typing import Literal

from research.design import Attribution, Claim, Control, Factor, Number, Study, Tier, TrainConfig, Tuning, crossed

ARMS = ("sigmoid", "tanh", "relu", "gelu")
DEEP = (4, 6, 8)  # "4+ layers"
NOWHERE = (float("-inf"), 0.0)  # where the progress of a replicate that diverged lies,
ANY_SHARE = (0.0, 1.0)  # and its accuracy
ACCURACY = 1e-4  # resolution of an accuracy over 10,000 images
CROSSED = {"init": ("default", "xavier", "he"), "optimizer": ("sgd", "adam"), "rate": ("customary", "tenth")}


def configure(
    activation: str, depth: int, init: str, optimizer: str, rate: str, horizon: int, width: int
) -> TrainConfig:
    """784-128 x depth-10 with PyTorch's default initialisation: the document builds its networks of nn.Linear."""
    return TrainConfig(
        dataset="mnist",
        depth=depth,
        width=width,
        activation=activation,
        init=init,
        optimizer=optimizer,
        # The document names no rate: 0.1 is customary for plain SGD on MLPs in textbooks (Dive into Deep Learning,
        # 5.2), 0.001 is Adam's default.
        lr={"sgd": 0.1, "adam": 0.001}[optimizer] * (0.1 if rate == "tenth" else 1),
        batch_size=128,
        epochs=horizon,
        probe_epochs=(0, 1, 5),  # the start, when the fate of a network is decided, and the end
    )


def deep_progress(arm: str, across_depths: Literal["max", "min"]) -> Number:
    """How far beyond the best constant prediction an arm has come at 4, 6 and 8 layers."""
    return Number("train_progress", (arm,), {"depth": DEEP}, "only", across_depths, NOWHERE)


def lead_over(arm: str) -> Number:
    """How far ReLU's progress is ahead of an arm's, averaged over 4, 6 and 8 layers."""
    return Number("train_progress", ("relu", arm), {"depth": DEEP}, "difference", "mean", NOWHERE)


def passed_back(metric: str) -> Number:
    """What eight layers of sigmoid pass back at the start."""
    return Number(metric, ("sigmoid",), {"depth": (8,)}, "only", "only")


STUDY = Study(
    name="activation_depth",
    question="Do sigmoid and tanh stop learning where ReLU and GELU still do, as an MLP gets deeper?",
    passage="B 6.3, B 1, A 'Vanishing Gradient Problem', A 'ReLU Activation Function'",
    says=(
        "Train one MLP on MNIST and change nothing but the activation. With two or three hidden layers sigmoid, tanh, "
        "ReLU and GELU end up alike. From four layers on the loss of sigmoid and tanh barely moves while ReLU and GELU "
        "converge: a sigmoid passes back at most a quarter of the gradient at each layer, four of them about 0.004, "
        "and ReLU passes on all of it."
    ),
    configure=configure,
    arms=Factor("activation", ARMS),
    blocks=(Factor("depth", (1, 2, 3, 4, 6, 8)),),
    choices=(
        Factor("init", ("default", "xavier", "he")),
        Factor("optimizer", ("sgd", "adam")),
        Factor("rate", ("customary", "tenth", "tuned")),
        Factor("horizon", (5, 20)),
        Factor("width", (128, 256)),  # 256: that of the textbook which has the rate
    ),
    universes=(
        *crossed(**CROSSED),
        {"horizon": 20},
        {"width": 256},
        {"rate": "tuned"},
        {"rate": "tuned", "init": "he"},
    ),
    universe_reasons=(
        "The document names no initialisation, optimiser, rate, horizon or width. How far the signal gets "
        "depends on the start, how much a small one matters on the optimiser, and what either does on the rate, "
        "so these three are crossed (12 universes). A longer horizon and a greater width are changed alone. The "
        "rate is tuned for each cell under SGD, with the default start, where signals shrink with depth and a "
        "rate may make up for it, and with He's, where ReLU's do not. Left out for their cost: a horizon or "
        "width crossed with anything, and tuned rates for Adam, whose steps hardly depend on the size of the "
        "gradient."
    ),
    tuning=Tuning({"lr": (0.03, 30.0)}, "validation_loss", "minimize", budget=9, at_once=3, seeds=2),
    headline=("test_accuracy", "train_progress"),
    tiers={
        "full": Tier(seeds=10, universe_seeds=5),
        "quick": Tier(seeds=5, overrides={"epochs": 1}, levels={"depth": (1, 4, 8)}),
        "smoke": Tier(
            seeds=3,
            overrides={"dataset": "digits", "width": 32, "batch_size": 32, "epochs": 3},
            levels={"depth": (1, 4), "optimizer": ("sgd",), "rate": ("customary", "tenth"), "horizon": (5,)},
        ),
    },
    controls=(
        Control(
            name="shallow-learns",
            text="With one hidden layer every activation learns",
            number=Number("train_progress", ARMS, {"depth": (1,)}, "min", "only", NOWHERE),
            above=0.5,
        ),
        Control(
            name="identity-is-linear",
            text="Four layers of identity are no better and no worse than softmax regression, to one point of accuracy",
            number=Number(
                "test_accuracy", ("identity",), {"depth": (4, 0)}, "only", "difference", (0.0, 1.0), ACCURACY
            ),
            above=-0.01,
            below=0.01,
            cells=({"activation": "identity", "depth": 0}, {"activation": "identity", "depth": 4}),
        ),
    ),
    claims=(
        Claim(
            name="shallow-alike",
            text="At 2 and 3 hidden layers the four activations end up about equally accurate",
            passage="B 6.3",
            kind="mean",
            number=Number("test_accuracy", ARMS, {"depth": (2, 3)}, "spread", "max", ANY_SHARE, ACCURACY),
            below=0.02,
        ),
        Claim(
            name="sigmoid-stalls",
            text="At 4 and more layers the loss of sigmoid barely moves",
            passage="B 6.3",
            kind="mean",
            number=deep_progress("sigmoid", "max"),
            below=0.10,
        ),
        Claim(
            name="tanh-stalls",
            text="At 4 and more layers the loss of tanh barely moves",
            passage="B 6.3",
            kind="mean",
            number=deep_progress("tanh", "max"),
            below=0.10,
        ),
        Claim(
            name="relu-converges",
            text="At 4 and more layers ReLU converges",
            passage="B 6.3",
            kind="mean",
            number=deep_progress("relu", "min"),
            above=0.80,
        ),
        Claim(
            name="gelu-converges",
            text="At 4 and more layers GELU converges",
            passage="B 6.3",
            kind="mean",
            number=deep_progress("gelu", "min"),
            above=0.80,
        ),
        Claim(
            name="relu-over-sigmoid",
            text="Depth tells the two families apart: ReLU gets far ahead of sigmoid",
            passage="B 6.3",
            kind="mean",
            number=lead_over("sigmoid"),
            above=0.5,
        ),
        Claim(
            name="relu-over-tanh",
            text="Depth tells the two families apart: ReLU gets far ahead of tanh",
            passage="B 6.3",
            kind="mean",
            number=lead_over("tanh"),
            above=0.5,
        ),
        Claim(
            name="a-quarter-a-layer",
            text="A sigmoid layer passes back at most a quarter of the signal",
            passage="B 6.3, B 8.1, A 'Vanishing Gradient Problem'",
            kind="mean",
            number=passed_back("backward_factor"),
            below=0.25,
        ),
        Claim(
            name="four-layers",
            text="Four sigmoid layers pass back about 0.25^4 = 0.0039 of the signal, to a factor of two",
            passage="B 6.3",
            kind="mean",
            number=passed_back("backward_log10_across_4"),
            above=-2.708,  # log10(0.25^4) - 0.3
            below=-2.108,
        ),
    ),
    attributions=(
        Attribution(
            name="activation-alone",
            text="The differences between the curves are attributable to the activation alone",
            passage="B 6.3",
            metric="train_progress",
            blocks={"depth": DEEP},
            choices=CROSSED,
            above=0.5,  # "every difference": at the least, more than it shares with start, optimiser and rate
        ),
    ),
)
