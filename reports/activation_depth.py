"""Draws the figures of the study `activation_depth` from its tables."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from research.figures import draw_against, draw_curves, draw_layers, place_legend
from research.measured import Frames
from research.words import word

ARMS = ["sigmoid", "tanh", "relu", "gelu"]


def learning_curves(runs: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Training loss and validation accuracy over epochs, a column for each depth, every seed a thin line."""
    depths, metrics = sorted(curves["depth"].unique()), ("train_loss", "validation_accuracy")
    size = (0.7 + 1.45 * len(depths), 4.2)
    figure, grid = plt.subplots(2, len(depths), figsize=size, sharex=True, sharey="row", squeeze=False)
    for row, metric in zip(grid, metrics, strict=True):
        for ax, depth in zip(row, depths, strict=True):
            draw_curves(ax, curves[curves["depth"] == depth], metric, "activation", ARMS)
            ax.set(xlabel="", ylabel=word(metric) if ax is row[0] else "")
    best_constant = (runs["train_loss"] / (1 - runs["train_progress"])).mean()
    for ax, depth in zip(grid[0], depths, strict=True):
        ax.set_title("1 hidden layer" if depth == 1 else f"{depth} hidden layers")
        ax.axhline(best_constant, color="0.4", linewidth=0.7, zorder=1)
    grid[0][0].annotate("best constant prediction", (0.05, best_constant), va="bottom", fontsize=7, color="0.3")
    grid[0][0].set_ylim(0, 1.12 * best_constant)
    grid[1][0].set_ylim(0, 1)
    grid[0][0].xaxis.set_major_locator(MultipleLocator(1))
    figure.supxlabel("epoch", fontsize=9)
    place_legend(figure, ARMS, marked=False)
    return figure


def accuracy_by_depth(runs: pd.DataFrame) -> Figure:
    """Final test accuracy against depth: every seed a dot, each mean with its interval; beside it the top enlarged."""
    figure, (whole, top) = plt.subplots(1, 2, figsize=(9.2, 3.6))
    for ax in (whole, top):
        draw_against(ax, runs, "depth", "test_accuracy", "activation", ARMS)
    whole.set_ylim(0, 1)
    top.set_ylim(0.84, 0.98)
    top.set(title="its top, enlarged", ylabel="")
    whole.set_title("whole range")
    place_legend(figure, ARMS, marked=True)
    return figure


def backward_signal(layers: pd.DataFrame) -> Figure:
    """The backward signal at each hidden layer of the deepest networks, at the start and at the end."""
    deepest = layers[(layers["depth"] == layers["depth"].max()) & (layers["layer"] <= layers["depth"])]
    epochs = [0, deepest["epoch"].max()]
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.6), sharey=True)
    for ax, epoch in zip(row, epochs, strict=True):
        draw_layers(ax, deepest[deepest["epoch"] == epoch], "backward_norm", "activation", ARMS)
        distance = [0, deepest["depth"].max() - 1]
        ax.plot(distance, [0.25**layers_back for layers_back in distance], color="0.3", linewidth=0.8)
        ax.annotate("0.25 a layer", (distance[1], 0.25 ** distance[1]), ha="right", va="top", fontsize=7, color="0.3")
        ax.set(
            title="before training" if epoch == 0 else f"after epoch {epoch}", xlabel="layers back from the last one"
        )
    row[0].set_ylabel("backward signal, share of the last layer's")
    place_legend(figure, ARMS, marked=True)
    return figure


CAPTIONS = {
    "learning_curves": (
        "Training loss and validation accuracy over epochs. Thin lines are seeds, thick ones their mean in the band of "
        "its 95 % interval. The grey line is the loss of the best constant prediction."
    ),
    "accuracy_by_depth": "Test accuracy after training. Dots are seeds, marks their mean with its 95 % interval.",
    "backward_signal": (
        "Norm of the loss's gradient at each layer's pre-activations in the deepest networks, as a share of the last "
        "hidden layer's. Thin lines are seeds. The grey line loses three quarters at each layer."
    ),
}
NOTES = """
### What to conclude

Under the document's settings (the start of `nn.Linear`, plain SGD at one rate) sigmoid does stop learning from four
layers on, and tanh does not. But ReLU and GELU stop too when they are deep, and **that is the start, not the
activation**: from the start of Xavier or He, or with Adam, ReLU converges at 4, 6 and 8 layers in all ten universes.
GELU does so in nine of them; from Xavier's start with SGD at a tenth of the rate it stops at 8 layers. From the
usual start with SGD neither a rate of its own nor twice the width saves ReLU at 8 layers; four times the epochs do.
They do not save GELU.

**Sigmoid needs another optimiser or start.** With Adam it learns at 4 layers from every start, and at the customary
rate at 8 as well. With SGD it stops between 2 and 6 layers: at a tuned rate and from He's start latest. In no
universe does **tanh** stay behind as the document says; only at a tenth of the rate, from the usual start, does it
stop, at 8 layers. ReLU is nowhere more than 1.3 points of progress ahead of it.

So "the differences are the activation's alone" is too much to say of the two families. By the measure that was fixed
before the runs, 65 % of the differences between activations do not depend on the other choices; the largest part of
the rest is theirs together with the optimiser.

**Six universes are withheld**, those at a tenth of the rate: in five of them softmax regression is not done after 5
epochs and four linear layers, which learn sooner, are 3 to 4 points ahead of it; in the sixth, from the usual start
with SGD, sigmoid is not done with one layer. In six of the others the control of the identity networks is open, for
the noise of the last step (below), and from He's start with SGD, where four linear layers diverge in every seed, it is
not applicable.

### What is known about why

**The control of the identity networks.** It compares accuracies after the very last step, and stochastic gradient
descent at this rate makes that step a noisy one in deep networks. The last batch of an epoch is short, and in seed 6
its last step takes the accuracy from 0.913 to 0.863. Ordinary PyTorch in float64, given the same start and the same
batches, takes it there too (`python -m benchmarks.last_step`); and a separate program with draws of its own has mean
accuracies that do not differ from these beyond their intervals, in four cells, those of this control among them
(`python -m benchmarks.plain_pytorch`). Because a seed means the same order of examples in every cell, that seed is
the lowest dot in nearly every cell that learns. Training progress is a mean over an epoch and hardly shows it. The
control was fixed before the runs, so it stays as it is; that it is open is said beside the verdicts.

**Where each stops.** The claims take the worst of several depths. ReLU still learns at 4 and at 6 layers and stops at
8, GELU learns at 4 and stops at 6, sigmoid stops at 3, and tanh learns at every depth. At 2 layers sigmoid is nine
points of accuracy behind the others.

**What the start does.** `nn.Linear` draws its weights with a variance of a third over the number of inputs. At that
size a layer of ReLU or GELU passes on little of the signal, and nothing of it is left after eight; tanh is steeper
around zero and keeps learning. Xavier's start has three times that variance in hidden layers and He's six times. Adam
divides each gradient by its size, so that a small one is no obstacle.

**A quarter a layer is a bound on the slope alone.** The backward signal is multiplied by the weights too. A sigmoid
layer passes back 14 % from the usual start, 24 % from Xavier's and 32 %, more than a quarter, from He's. Theory for
wide layers (a Gaussian of the pre-activations' variance, pushed through from layer to layer) gives 14.1, 23.6 and
31.8 %. That four layers pass back about 0.25^4 is so from Xavier's start alone.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    if not tables.runs["activation"].isin(ARMS).any():  # a part of the study, with none of what these figures compare
        return {}
    runs, curves, layers = (table[table["activation"].isin(ARMS)] for table in tables[:3])
    return {
        "learning_curves": learning_curves(runs, curves),
        "accuracy_by_depth": accuracy_by_depth(runs),
        "backward_signal": backward_signal(layers),
    }
