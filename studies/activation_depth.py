"""Does a deeper network need ReLU? Activation x depth on MNIST.

Question. Document B (6.3) trains one MLP on MNIST with the same learning rate, batch size and optimiser and changes only the
activation. It says that at two or three hidden layers sigmoid, tanh, ReLU and GELU end up alike, and that from four layers on
sigmoid and tanh barely move the loss while ReLU and GELU converge, because a sigmoid passes back at most a quarter of the
gradient at each layer. Document A says the same of sigmoid ("Vanishing Gradient Problem") and of ReLU.

Cost. Full tier: 26 cells, 10 seeds, about ten minutes on two cores. Quick: about a minute. Smoke: seconds.

What to expect. Sigmoid learns at one or two layers and not at all when deep; whether tanh shares its fate is for the data to say.

Sizes and regions are those of the document; where it is silent they follow common practice and were fixed before the first
full run. They are never moved afterwards.
"""

from research.design import Claim, Control, Factor, Number, Study, Tier, TrainConfig

DEEP = (4, 6, 8)  # "4+ layers"


def configure(activation: str, depth: int) -> TrainConfig:
    """784-128 x depth-10 with PyTorch's default initialisation: the document builds its networks of nn.Linear."""
    return TrainConfig(
        dataset="mnist",
        depth=depth,
        width=128,
        activation=activation,
        init="default",
        optimizer="sgd",
        lr=0.1,  # the document names none; customary for plain SGD on such MLPs in textbooks (Dive into Deep Learning, 5.2)
        batch_size=128,
        epochs=5,
    )


def deep_progress(arm: str, combine: str) -> Number:
    """How far beyond the best constant prediction one arm has come at 4, 6 and 8 layers. Diverged: nowhere."""
    return Number("train_progress", (arm,), {"depth": DEEP}, "only", "max" if combine == "max" else "min", diverged=0.0)


def lead_over(arm: str) -> Number:
    """What ReLU's progress is ahead of an arm's, averaged over 4, 6 and 8 layers. Diverged: nowhere."""
    return Number("train_progress", ("relu", arm), {"depth": DEEP}, "difference", "mean", diverged=0.0)


STUDY = Study(
    name="activation_depth",
    question="Do sigmoid and tanh stop learning where ReLU and GELU still do, as an MLP gets deeper?",
    passage="B 6.3, B 1, A 'Vanishing Gradient Problem', A 'ReLU Activation Function'",
    configure=configure,
    arms=Factor("activation", ("sigmoid", "tanh", "relu", "gelu")),
    blocks=(Factor("depth", (1, 2, 3, 4, 6, 8)),),
    headline=("test_accuracy", "train_progress"),
    tiers={
        "full": Tier(seeds=10),
        "quick": Tier(seeds=5, overrides={"epochs": 1}, levels={"depth": (1, 4, 8)}),
        "smoke": Tier(seeds=3, overrides={"dataset": "digits", "width": 32, "batch_size": 32, "epochs": 3}, levels={"depth": (1, 4)}),
    },
    controls=(
        Control("shallow-learns", "With one hidden layer every activation learns: progress above 0.5"),
        Control(
            "identity-is-linear",
            "Four layers of identity are no better and no worse than softmax regression: test accuracy within 1 point",
            cells=({"activation": "identity", "depth": 0}, {"activation": "identity", "depth": 4}),
        ),
    ),
    claims=(
        Claim(
            "shallow-alike", "At 2 and 3 hidden layers the four activations end up about equally accurate", "B 6.3", "mean",
            # Chance is 0.1: what a diverged replicate scores.
            Number("test_accuracy", ("sigmoid", "tanh", "relu", "gelu"), {"depth": (2, 3)}, "spread", "max", diverged=0.1),
            below=0.02,
        ),
        Claim("sigmoid-stalls", "At 4 and more layers the loss of sigmoid barely moves", "B 6.3", "mean",
              deep_progress("sigmoid", "max"), below=0.10),
        Claim("tanh-stalls", "At 4 and more layers the loss of tanh barely moves", "B 6.3", "mean",
              deep_progress("tanh", "max"), below=0.10),
        Claim("relu-converges", "At 4 and more layers ReLU converges", "B 6.3", "mean",
              deep_progress("relu", "min"), above=0.80),
        Claim("gelu-converges", "At 4 and more layers GELU converges", "B 6.3", "mean",
              deep_progress("gelu", "min"), above=0.80),
        Claim("relu-over-sigmoid", "Depth tells the families apart: ReLU far ahead of sigmoid", "B 6.3", "mean",
              lead_over("sigmoid"), above=0.5),
        Claim("relu-over-tanh", "Depth tells the families apart: ReLU far ahead of tanh", "B 6.3", "mean",
              lead_over("tanh"), above=0.5),
    ),
)  # fmt: skip
