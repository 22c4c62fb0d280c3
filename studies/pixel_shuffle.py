"""Does an MLP care where the pixels are? MNIST with its pixels shuffled.

Question. Document A (to-do 3) asks why shuffling the pixels of an image before it is fed into an MLP has almost no
effect, and answers that an MLP cannot perceive spatial structure.

Cost. Full tier: 6 cells of 10 seeds, seven minutes on two cores, most of it for the CNN; up to 2 GB of memory for each
worker, because each seed needs a copy of the images with its pixels moved. Quick: a minute. Smoke: seconds. All
universes: half an hour at 6 seeds, half of it for the CNN at twenty epochs.

What to expect. A fixed permutation of the inputs is a permutation of the first layer's weights, which start at random:
the two trainings have the same distribution. So a gap would be a fault of the harness. The CNN is there to show that
something can be lost.

Each seed has a permutation of its own, the same for training and test. The CNN has two convolutions of 3x3 (8 and 16
maps, each pooled 2x2) and 147 hidden units, as many parameters as the MLP to a fifth of a percent. Rate, batch and
horizon are those of the study `activation_depth`. All of it, and the regions, were fixed before the first full run and
are never moved afterwards.
"""

from research.design import Claim, Control, Factor, Number, Study, Tier, TrainConfig

ANY_SHARE = (0.0, 1.0)  # where the accuracy of a replicate lies that diverged
ACCURACY = 1e-4  # resolution of an accuracy over 10,000 images


def configure(
    pixels: str, network: str, width: int, depth: int, horizon: int, training_size: str, head: str
) -> TrainConfig:
    """784-128-128-10, or the CNN with about as many parameters."""
    cnn = network == "cnn"
    return TrainConfig(
        dataset="mnist",
        pixels=pixels,
        network=network,
        head=head if cnn else "dense",
        depth=1 if cnn else depth,
        width=147 if cnn else width,
        activation="relu",
        lr=0.1,
        batch_size=128,
        epochs=horizon,
        num_train={"all": 0, "small": 5000}[training_size],
        measures=("permuted_twin",) if not cnn and pixels == "permuted" else (),
    )


def lost(*networks: str) -> Number:
    """Accuracy on the original pixels minus that on permuted ones; of two networks the first's minus the second's."""
    return Number(
        "test_accuracy",
        ("original", "permuted"),
        {"network": networks},
        "difference",
        "only" if len(networks) == 1 else "difference",
        ANY_SHARE,
        ACCURACY,
    )


STUDY = Study(
    name="pixel_shuffle",
    question="Does it matter to an MLP in which order the pixels of an image come?",
    passage="A 'To-do' 3",
    says=(
        "Shuffling the order of an image's pixels before they are fed into an MLP has almost no effect on its "
        "performance, which reveals that MLPs cannot perceive the spatial structure of images."
    ),
    configure=configure,
    arms=Factor("pixels", ("original", "permuted")),
    blocks=(Factor("network", ("mlp", "cnn")),),
    choices=(
        Factor("width", (128, 512)),
        Factor("depth", (2, 1, 4)),
        Factor("horizon", (5, 20)),
        Factor("training_size", ("all", "small")),
        Factor("head", ("dense", "pooled")),
    ),
    universes=(
        {"width": 512},
        {"depth": 1},
        {"depth": 4},
        {"horizon": 20},
        {"training_size": "small"},
        {"head": "pooled"},
        {"width": 512, "depth": 1},
        {"depth": 4, "horizon": 20},
        {"training_size": "small", "width": 512},
        {"training_size": "small", "horizon": 20},
        {"training_size": "small", "head": "pooled"},
        {"training_size": "small", "head": "pooled", "horizon": 20},
    ),
    universe_reasons=(
        "Width, depth, horizon, size of the training part and the CNN's head are each changed alone. Few "
        "examples are crossed with most others, since there the order of pixels might matter more, and there are "
        "fewer steps at the same horizon; depth with a longer horizon and with width, since the claim speaks of "
        "any MLP. Left out for its cost: the averaging head trained longer on all examples."
    ),
    headline=("test_accuracy", "train_progress"),
    tiers={
        "full": Tier(seeds=10, universe_seeds=6),
        "quick": Tier(seeds=5, overrides={"epochs": 1, "num_train": 10000}),
        "smoke": Tier(seeds=3, overrides={"dataset": "digits", "width": 32, "batch_size": 32, "epochs": 2}),
    },
    controls=(
        Control(
            name="learns",
            text="Both networks learn the original images",
            number=Number(
                "test_accuracy", ("original",), {"network": ("mlp", "cnn")}, "only", "min", ANY_SHARE, ACCURACY
            ),
            above=0.9,
        ),
        Control(
            name="scrambled",
            text="With another permutation for each image the MLP is left with little: accuracy below 0.45",
            number=Number("test_accuracy", ("scrambled",), {"network": ("mlp",)}, "only", "only", ANY_SHARE, ACCURACY),
            below=0.45,
            cells=({"pixels": "scrambled", "network": "mlp"}, {"pixels": "sorted", "network": "mlp"}),
        ),
    ),
    claims=(
        Claim(
            name="unchanged",
            text="A fixed permutation of the pixels leaves an MLP's accuracy unchanged, to half a point",
            passage="A 'To-do' 3",
            kind="mean",
            number=lost("mlp"),
            above=-0.005,
            below=0.005,
        ),
        Claim(
            name="cnn-loses",
            text="A network that can see neighbourhoods loses: the CNN more than a point more than the MLP",
            passage="A 'To-do' 3",
            kind="mean",
            number=lost("cnn", "mlp"),
            above=0.01,
        ),
        Claim(
            name="same-training",
            text="With the first layer's initial weights permuted alike it is the same training",
            passage="A 'To-do' 3",
            kind="identity",
            number=Number("twin_difference", ("permuted",), {"network": ("mlp",)}, "only", "only"),
            below=1e-9,
        ),
    ),
)
