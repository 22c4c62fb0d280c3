"""How deep can a plain network be, and what makes a hundred layers trainable?

Question. Document A says that networks of more than 20 layers were very hard to train until identity skips,
y = f(x) + x, let gradients through without loss, and 152 layers and more were trained. Document B (8.1) names four
things that "work together to unlock 100+ layer depth": units of the ReLU family, He's start, a normalisation, skips.

Cost. Full tier: 16 recipes at 3 depths, 20 seeds each, and six cases for controls; most of the time for 100 layers.

What to expect. Mean-field theory says that a signal of a sigmoid network dies within a few layers, that of ReLU under
PyTorch's start too (its weights have a sixth of He's variance), and that He's start keeps it. So ReLU with He's start
alone may train where document B has four things work together.

All 16 subsets of the four are trained, on 10,000 images of MNIST, so that the deep ones are affordable. Without ReLU
the units are sigmoid, the document's saturating ones; without He's start it is PyTorch's. A network "trains" where more
than half of the way from the best constant prediction to none of its loss is made by the last epoch: none that passes
that is stuck, and none that is stuck passes it. Sizes and regions were fixed before any run but smoke; the amendment
says what was declared otherwise then.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from research.design.study import Amendment, Claim, Control, Factor, Levels, Number, Study, Tier
from research.training.config import TrainConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from research.record.frames import Frames

PIECES = ("relu", "he", "norm", "skip")
RECIPES = tuple("+".join(chosen) or "none" for n in range(5) for chosen in itertools.combinations(PIECES, n))
ALL = "+".join(PIECES)
SLOWLY = "slow-"  # at rate 0.001, where none of these diverges: for controls that hold to the bit
EXACT = tuple(SLOWLY + recipe for recipe in ("none", "norm", "relu+skip", ALL))
NAMES = {ALL: "all four", "none": "none of them"}
NAMES |= {
    slow: f"{NAMES.get(recipe, recipe)} at rate 0.001" for slow in EXACT for recipe in [slow.removeprefix(SLOWLY)]
}
DEPTHS = (8, 24, 100)  # the documents speak of more than 20 layers, and of more than 100
TRAINS = 0.5
NOWHERE = (float("-inf"), 0.0)  # where the progress of a replicate that diverged lies,
ONE_CLASS = (0.0, 0.1135)  # and its test accuracy: at most the share of the most frequent digit in the test set
FACTOR = (0.0, float("inf"))


def configure(
    recipe: str, depth: int, norm: str, optimizer: str, rate: str, horizon: int, saturating: str
) -> TrainConfig:
    """784-64xdepth-10 on 10,000 images."""
    named = recipe.removeprefix(SLOWLY)
    pieces = {"silent": ("relu", "he", "skip"), "shuffled": PIECES}.get(named, tuple(named.split("+")))
    config = TrainConfig(
        depth=depth,
        width=64,
        activation="relu" if "relu" in pieces else saturating,
        init="he" if "he" in pieces else "default",
        normalization=norm if "norm" in pieces else "none",
        skip="after" if "skip" in pieces else "none",  # y = f(x) + x, with all of a layer as f
        num_train=10_000,
        optimizer=optimizer,
        # as in activation_depth: what is customary
        lr={"sgd": 0.1, "adam": 0.001}[optimizer] * (0.1 if rate == "tenth" else 1),
        epochs=horizon,
        probe_epochs=(0,),
    )
    if recipe in EXACT:
        return replace(config, lr=0.001, measures=("alone", "repeated"))
    if recipe == "silent":
        return replace(config, branch_scale=1e-30, probe_epochs=(0, 1), probes=("weight_change",))
    return replace(config, labels="shuffled") if recipe == "shuffled" else config


def progress(recipe: str, depths: tuple[int, ...] = DEPTHS[-1:]) -> Number:
    """Training progress, over several depths the largest."""
    return Number(
        "train_progress", (recipe,), {"depth": depths}, "only", "only" if len(depths) == 1 else "max", NOWHERE
    )


def at_depth(metric: str, recipe: str, depth: int, missing: tuple[float, float] = FACTOR) -> Number:
    return Number(metric, (recipe,), {"depth": (depth,)}, "only", "only", missing)


def needed(piece: str, text: str) -> Claim:
    """That a hundred layers with all four end clearly better than with the other three."""
    without = "+".join(each for each in PIECES if each != piece)
    lead = Number("steady_test_accuracy", (ALL, without), {"depth": DEPTHS[-1:]}, "difference", "only", ONE_CLASS)
    return Claim(f"needs-{piece}", text, "B 8.1", "most", lead, above=0.1, by_hand=CLEARLY)


CLEARLY = "ten points of test accuracy count as a clear difference"
EXACTLY: tuple[Levels, ...] = tuple({"recipe": recipe, "depth": 8} for recipe in EXACT)
DEEP = "more than half of the way counts as training"
STUDY = Study(
    name="residual_depth",
    question="How deep can a plain network be, and what makes a hundred layers trainable?",
    passage="A (ResNet), B 8.1",
    says="Networks of more than 20 layers were very hard to train until identity skips let gradients pass without "
    "loss; since then more than 100 layers are trained. ReLU, He's start, a normalisation and skips all work together "
    "for it.",
    configure=configure,
    arms=Factor("recipe", RECIPES, words=NAMES),
    blocks=(Factor("depth", DEPTHS, label="hidden layers", phrase="at depth {}"),),
    choices=(
        Factor("norm", ("batch", "layer"), label="normalisation", phrase="with normalisation of the {}"),
        Factor("optimizer", ("sgd", "adam")),
        Factor("rate", ("customary", "tenth"), phrase="at {} rate",
               words={"customary": "the customary", "tenth": "a tenfold lower"}),
        Factor("horizon", (5, 15), phrase="at a horizon of {} epochs"),
        Factor("saturating", ("sigmoid", "tanh"), label="saturating unit", phrase="with {} as the saturating unit"),
    ),
    universes=({"norm": "layer"}, {"optimizer": "adam"}, {"rate": "tenth"}, {"horizon": 15}, {"saturating": "tanh"}),
    universe_reasons="What the documents leave open, each alone: which normalisation, optimiser and its rate, horizon, "
    "and what stands where ReLU does not. Left out: where the skip begins and ends, other widths, more images, and a "
    "rate tuned for each recipe, which would cost ten times as much.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=220),
        "quick": Tier(seeds=5, overrides={"epochs": 2}, levels={"depth": (8, 24)}),
        "smoke": Tier(seeds=2, overrides={"epochs": 1, "num_train": 300},
                      levels={"recipe": ("relu", ALL), "depth": (8,), "horizon": (5,)}),
    },
    headline=("train_progress", "steady_test_accuracy"),
    controls=(
        Control(
            name="as-in-plain-pytorch",
            text="Networks of 8 layers train as they do alone in plain PyTorch, normalised and with skips too",
            kind="identity",
            number=Number("alone_difference", EXACT, {"depth": (8,)}, "max", "only"),
            below=1e-6,  # after 100 steps in float64
            cells=EXACTLY,
        ),
        Control(
            name="the-same-again",
            text="The same training once more, with nobody looking, ends at the same weights to the bit",
            kind="identity",
            number=Number("repeat_difference", EXACT, {"depth": (8,)}, "max", "only"),
            below=1e-30,
            cells=EXACTLY,
        ),
        Control(
            name="depth-that-adds-nothing",
            text="An effect that must show: a hundred layers, of which all but one add nothing to their skip, train",
            kind="most",
            number=at_depth("train_progress", "silent", 100, NOWHERE),
            above=TRAINS,
            cells=({"recipe": "silent", "depth": 100},),
        ),
        Control(
            name="what-adds-nothing-stays",
            text="Weights that add nothing are not moved: those of the 50th of these layers are what they were",
            kind="identity",
            number=replace(at_depth("weight_change", "silent", 100), at={"layer": 50, "epoch": 1}),
            below=1e-30,
            cells=({"recipe": "silent", "depth": 100},),
        ),
        Control(
            name="nothing-to-learn",
            text="An effect that must not show: trained on labels dealt out at random, all four are at chance",
            number=at_depth("steady_test_accuracy", "shuffled", 8, (0.0, 1.0)),
            above=0.07,  # a tenth, to three points
            below=0.13,
            cells=({"recipe": "shuffled", "depth": 8},),
        ),
    ),
    claims=(
        Claim("plain-is-stuck", "Without skips, even with the other three, more than 20 layers hardly train.", "A",
              "most", progress("relu+he+norm", depths=(24, 100)), below=TRAINS, by_hand=DEEP),
        Claim("default-is-stuck", "ReLU networks of more than 20 layers, as PyTorch starts them, hardly train.", "A",
              "most", progress("relu", depths=(24, 100)), below=TRAINS, by_hand=DEEP),
        Claim("skips-carry", "With identity skips, and nothing else, ReLU networks of 100 layers train.", "A", "most",
              progress("relu+skip"), above=TRAINS, by_hand=DEEP),
        Claim("without-loss", "A layer with an identity skip passes the gradient back without loss.", "A", "most",
              at_depth("backward_factor", "relu+skip", 100), above=0.9, by_hand="a tenth lost a layer counts as loss"),
        Claim("all-four", "With all four, 100 layers train.", "B 8.1", "most", progress(ALL), above=TRAINS,
              by_hand=DEEP),
        needed("relu", "Of the four that work together, ReLU is needed for 100 layers."),
        needed("he", "Of the four that work together, He's start is needed for 100 layers."),
        needed("norm", "Of the four that work together, normalisation is needed for 100 layers."),
        needed("skip", "Of the four that work together, skips are needed for 100 layers."),
    ),
    amendments=(
        Amendment(
            date="2026-11-30",
            what="The two controls that hold exactly are measured on four of the recipes, at rate 0.001. The progress "
            "of a replicate that diverged lies at or below none. What is needed is measured in test accuracy. "
            "Seeds 220 to 239, in universes 220 to 227.",
            why="At the customary rate ReLU with He's start and skips diverges at 8 layers already, and what is left "
            "of others is chaotic, so that no bound on rounding holds; nothing was wrong with the apparatus. What "
            "diverged has not come further than a constant. Progress has no lower end: two networks that both "
            "fail lay a thousand points apart. Regions are as they were, ten points for a tenth of the way.",
            seen="all results of seeds 200 to 219, and of smoke",
        ),
    ),
)  # fmt: skip
CAPTIONS = {
    "recipes": "How far each of the 16 recipes comes at each depth: the median progress of its seeds, and in brackets "
    "how many of them make more than half of the way. White is none of it, dark all; 0 % stands for what is worse than "
    "the best constant prediction too, and for what diverged.",
}


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    runs = tables.runs[tables.runs["recipe"].isin(RECIPES)]
    depths = sorted(runs["depth"].unique())
    figure, ax = plt.subplots(figsize=(4.6, 5.4))
    cells = {key: group["train_progress"].fillna(-1.0) for key, group in runs.groupby(["recipe", "depth"])}
    rows = [recipe for recipe in RECIPES if (recipe, depths[0]) in cells]
    medians = [[cells[recipe, depth].median() for depth in depths] for recipe in rows]
    ax.imshow(medians, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, recipe), (column, depth) in itertools.product(enumerate(rows), enumerate(depths)):
        found, median = cells[recipe, depth], cells[recipe, depth].median()
        text = f"{100 * max(median, 0):.0f} % ({(found > TRAINS).sum()}/{len(found)})"
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if median > 0.6 else "black")
    ax.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    ax.set_yticks(range(len(rows)), [NAMES.get(recipe, recipe) for recipe in rows])
    ax.set_xlabel("hidden layers")
    ax.tick_params(length=0)
    ax.grid(False)
    return {"recipes": figure}
