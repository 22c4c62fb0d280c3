"""Does enough capacity memorise a training set, with labels dealt out at random too?

Question. Document B (8.3) says of networks that what lets them approximate any function is at the same time the
capacity to memorise the training set. Labels that are dealt out at random can be learnt in no other way, which is how
Zhang and others (2017) showed it of images.

Cost. Full tier: networks of three sizes, each on true and on random labels, 20 seeds, and a few images for a control.

What to expect. By Zhang's theorem a network of two layers with 2n + d weights can have any labels on n examples of d
inputs; both networks here have more. Whether descent finds them is another matter. A linear model cannot: by Cover
(1965) hardly any labels of so many points in 784 dimensions can be parted, though nearly any of a hundred points.

10,000 images, so that random labels can be learnt to the end; 120 epochs, since they take much longer than true ones:
as many as ten minutes on two cores allow. 784-256-256-10 has more weights than the 100,000 numbers of the targets, one
for each image and class; 784-64-64-10 has fewer. Adam at its customary rate, because plain descent is known to be slow
on random labels; it is a universe. The margins are the document's 99 %, and for "to the last" that all 10,000 are
right. Sizes and regions were fixed before any run but smoke.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from research.design.study import Claim, Control, Factor, Levels, Number, Study, Tier
from research.training.config import TrainConfig

IMAGES, BATCH, EPOCHS = 10_000, 100, 120
NETWORKS = ("linear", "64", "256")
FEW = "few"  # a linear model on a hundred images, for a control
SHARE = (0.0, 1.0)  # what an accuracy can be, that of a replicate that diverged too
RANDOM_FEW: Levels = {"labels": "random", "network": FEW}


def configure(labels: str, network: str, optimizer: str, depth: int, activation: str, dropout: float) -> TrainConfig:
    """784-256-256-10 and smaller ones; a tenth of the epochs between two evaluations costs little beside them."""
    dealt_out = "shuffled" if labels == "random" else "true"
    if network == FEW:  # small steps over few images: Adam at ten times the rate, so that 2,000 of them are enough
        return TrainConfig(
            depth=0, num_train=100, batch_size=10, optimizer="adam", lr=0.01, steps=2000, evaluate_every=500,
            labels=dealt_out, measures=("generalisation",),
        )  # fmt: skip
    steps = EPOCHS * IMAGES // BATCH
    config = TrainConfig(
        depth=0,
        num_train=IMAGES,
        batch_size=BATCH,
        optimizer=optimizer,
        lr={"adam": 0.001, "sgd": 0.1}[optimizer],  # as in activation_depth
        steps=steps,
        evaluate_every=steps // 20,
        labels=dealt_out,
        measures=("generalisation",),
    )
    if network == "linear":
        return replace(config, measures=("generalisation", "alone", "repeated")) if labels == "random" else config
    exact = ("alone",) if network == "64" and not dropout else ()
    return replace(
        config, depth=depth, width=int(network), activation=activation, dropout=dropout,
        measures=("generalisation", *exact),
    )  # fmt: skip


def accuracy(labels: str, *networks: str, part: Literal["train", "test"] = "train") -> Number:
    """Of the images that it is trained on, or of the test part; of the first of two networks less of the second."""
    across: Literal["difference", "only"] = "difference" if len(networks) == 2 else "only"
    return Number(f"steady_{part}_accuracy", (labels,), {"network": networks}, "only", across, SHARE)


STUDY = Study(
    name="memorization",
    question="Does enough capacity memorise a training set, with labels dealt out at random too?",
    passage="B 8.3",
    says="That networks can approximate any function is the same as that they can memorise the training set.",
    configure=configure,
    arms=Factor("labels", ("true", "random"), words={"true": "true labels", "random": "random labels"}),
    blocks=(
        Factor("network", NETWORKS, words={"linear": "no hidden layer", "64": "64 units a layer",
                                           "256": "256 units a layer", FEW: "no hidden layer, 100 images"}),
    ),
    choices=(
        Factor("optimizer", ("adam", "sgd")),
        Factor("depth", (2, 1), phrase="with {}", in_text={2: "two hidden layers", 1: "one hidden layer"}),
        Factor("activation", ("relu", "tanh")),
        Factor("dropout", (0.0, 0.5), phrase="with {}", in_text={0.0: "no dropout", 0.5: "a dropout of 0.5"}),
    ),
    universes=({"optimizer": "sgd"}, {"depth": 1}, {"activation": "tanh"}, {"dropout": 0.5}),
    universe_reasons="What the document leaves open, each alone: the optimiser, the depth, the activation, and a "
    "regulariser that is meant to hinder learning by heart. Left out: deeper networks, weight decay, more images, and "
    "inputs that are noise.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "quick": Tier(seeds=5, overrides={"num_train": 1000, "steps": 2000, "evaluate_every": 100}),
        "smoke": Tier(seeds=2, overrides={"num_train": 200, "steps": 20, "evaluate_every": 10},
                      levels={"network": ("linear", "64")}),
    },
    headline=("steady_train_accuracy", "steady_test_accuracy"),
    controls=(
        Control("as-in-plain-pytorch", "Networks train as they do alone in plain PyTorch: after 100 steps in float64 "
                "no weight differs",
                Number("alone_difference", ("random",), {"network": ("linear", "64")}, "only", "max"),
                below=1e-6, kind="identity"),
        Control("the-same-again", "The same training once more, with nobody looking, ends at the same weights to the "
                "bit", Number("repeat_difference", ("random",), {"network": ("linear",)}, "only", "only"),
                below=1e-30, kind="identity"),
        Control("nothing-to-learn", "An effect that must not show: who learnt random labels is at chance in the test",
                Number("steady_test_accuracy", ("random",), {"network": NETWORKS}, "only", "mean", SHARE),
                above=0.07, below=0.13,  # a tenth, to three points
                guards=("memorises-random-labels", "memorises-to-the-last", "capacity-memorises", "more-than-linear")),
        Control("a-line-cannot", "Without a hidden layer 10,000 random labels are never all learnt (Cover, 1965)",
                accuracy("random", "linear"), below=1 - 0.5 / IMAGES, kind="always",
                guards=("memorises-random-labels", "memorises-to-the-last", "capacity-memorises", "more-than-linear")),
        Control("a-line-can-of-few", "An effect that must show: a hundred random labels are all learnt by a line",
                accuracy("random", FEW), above=0.995, kind="always", cells=(RANDOM_FEW,),
                guards=("memorises-random-labels", "memorises-to-the-last", "capacity-memorises", "more-than-linear")),
    ),
    claims=(
        Claim("memorises-training-set", "A network with enough capacity memorises its training set: 99 % of 10,000 "
              "images are right.", "B 8.3", "most", accuracy("true", "256"), above=0.99, by_hand="the document's 99 %"),
        Claim("memorises-random-labels", "It memorises labels that are dealt out at random too.", "B 8.3", "most",
              accuracy("random", "256"), above=0.99, by_hand="the document's 99 %"),
        Claim("memorises-to-the-last", "It memorises every single one of 10,000 random labels.", "B 8.3", "most",
              accuracy("random", "256"), above=1 - 0.5 / IMAGES),
        Claim("capacity-memorises", "With more capacity, 256 units a layer and not 64, more random labels are learnt.",
              "B 8.3", "most", accuracy("random", "256", "64"), above=0.01, by_hand="one image in a hundred"),
        Claim("more-than-linear", "Hidden layers memorise random labels that a linear model does not.", "B 8.3", "most",
              accuracy("random", "64", "linear"), above=0.1, by_hand="one image in ten"),
    ),
)  # fmt: skip
