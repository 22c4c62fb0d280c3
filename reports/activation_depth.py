"""Draws the figures of the study `activation_depth` from its tables, and says what to conclude from them."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from research.design.study import Level
from research.design.wording import label, level_label
from research.publishing.figures import draw_against, draw_curves, draw_layers, place_legend
from research.publishing.prose import BAND, WITH_INTERVAL, controls, count, listing, of, percent, points, universe
from research.publishing.results import Results
from research.record.frames import Frames
from studies.activation_depth import DEEP, STUDY

ARMS = ["sigmoid", "tanh", "relu", "gelu"]
CHOICES = tuple(choice.name for choice in STUDY.choices)
CONVERGES, LEARNS, STALLS, STALLED = 0.8, 0.5, 0.2, 0.1  # of the way from the best constant prediction to no loss
STARTS = {"default": "the usual start", "xavier": "Xavier's start", "he": "He's start"}
GAINS = {"default": 1 / 3, "xavier": 1, "he": 2}  # inputs times the variance of a weight


def learning_curves(runs: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Training loss and validation accuracy over epochs, a column for each depth, every seed a thin line."""
    depths, metrics = sorted(curves["depth"].unique()), ("train_loss", "validation_accuracy")
    size = (0.7 + 1.45 * len(depths), 4.2)
    figure, grid = plt.subplots(2, len(depths), figsize=size, sharex=True, sharey="row", squeeze=False)
    for row, metric in zip(grid, metrics, strict=True):
        for ax, depth in zip(row, depths, strict=True):
            draw_curves(ax, curves[curves["depth"] == depth], metric, "activation", ARMS)
            ax.set(xlabel="", ylabel=label(metric, STUDY) if ax is row[0] else "")
    best_constant = (runs["train_loss"] / (1 - runs["train_progress"])).mean()
    for ax, depth in zip(grid[0], depths, strict=True):
        ax.set_title("1 hidden layer" if depth == 1 else f"{depth} hidden layers")
        ax.axhline(best_constant, color="0.4", linewidth=0.7, zorder=1)
    grid[0][0].annotate("best constant prediction", (0.05, best_constant), va="bottom", fontsize=7, color="0.3")
    grid[0][0].set_ylim(0, 1.12 * best_constant)
    grid[1][0].set_ylim(0, 1)
    grid[0][0].xaxis.set_major_locator(MultipleLocator(1))
    figure.supxlabel("epoch", fontsize=9)
    place_legend(figure, STUDY.factor("activation"), ARMS, marked=False)
    return figure


def accuracy_by_depth(runs: pd.DataFrame) -> Figure:
    """Final test accuracy against depth: every seed a dot, each mean with its interval; beside it the top enlarged."""
    figure, (whole, top) = plt.subplots(1, 2, figsize=(9.2, 3.6))
    for ax in (whole, top):
        draw_against(ax, STUDY, runs, "depth", "steady_test_accuracy", "activation", ARMS)
        ax.set_xlabel("hidden layers")
    whole.set_ylim(0, 1)
    top.set_ylim(0.84, 0.98)
    top.set(title="its top, enlarged", ylabel="")
    whole.set_title("whole range")
    place_legend(figure, STUDY.factor("activation"), ARMS, marked=True)
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
    place_legend(figure, STUDY.factor("activation"), ARMS, marked=True)
    return figure


CAPTIONS = {
    "learning_curves": (
        "Training loss and validation accuracy over epochs. Thin lines are seeds, thick ones their mean in the "
        f"{BAND}. The grey line is the loss of the best constant prediction."
    ),
    "accuracy_by_depth": f"Test accuracy after training. Dots are seeds, marks their mean {WITH_INTERVAL}.",
    "backward_signal": (
        "Norm of the loss's gradient at each layer's pre-activations in the deepest networks, as a share of the last "
        "hidden layer's. Thin lines are seeds. The grey line loses three quarters at each layer."
    ),
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    assert found.universe_runs is not None
    cells = found.universe_runs.groupby([*CHOICES, "activation", "depth"])["train_progress"].mean().unstack()
    return f"""
### What to conclude

{of_depth(cells)}

{of_sigmoid(cells)} {of_tanh(cells)}

{of_all_universes(found)}

### What is known about why

{of_where_each_stops(found)}

**What the start does.** `nn.Linear` draws its weights with a variance of a third over the number of inputs. At that
size a layer of ReLU or GELU passes on little of the signal, and nothing of it is left after eight; tanh is steeper
around zero and keeps learning. Xavier's start has three times that variance in hidden layers and He's six times. Adam
divides each gradient by its size, so that a small one is no obstacle.

{of_what_is_passed_back(found)}
"""


def of_depth(cells: pd.DataFrame) -> str:
    """Where ReLU and GELU converge at every depth, from the usual start with SGD and elsewhere."""
    good = cells[list(DEEP)].min(axis=1).unstack("activation") > CONVERGES
    usual = good[[at[:2] == ("default", "sgd") for at in good.index]]
    others = good.drop(usual.index)
    shares = {(arm, n): of(part[arm].sum(), len(part)) for n, part in ((0, usual), (1, others)) for arm in ARMS}
    stopped = listing((name(at) for at in others.index[~others["gelu"]]), "nowhere")
    saved = listing((name(at) for at in usual.index[usual["relu"]]), "nowhere")
    return f"""\
Under the document's settings (the start of `nn.Linear`, plain SGD at one rate) sigmoid does stop learning from
{count(min(DEEP))} layers on, and tanh does not. But ReLU and GELU stop too when they are deep, and **that is the
start, not the activation**: from another start, or with Adam, ReLU converges at {listing(DEEP)} layers in
{shares["relu", 1]} universes, GELU in {shares["gelu", 1]} (not {stopped}). From the usual start with SGD ReLU
converges at every depth in {shares["relu", 0]} ({saved}), GELU in {shares["gelu", 0]}."""


def of_sigmoid(cells: pd.DataFrame) -> str:
    """Where sigmoid learns with Adam, and from which depth on it does not with SGD."""
    sigmoid: Any = cells.xs("sigmoid", level="activation").drop(columns=0, errors="ignore")
    adam = sigmoid[[at[1] == "adam" for at in sigmoid.index]]
    sgd = sigmoid.drop(adam.index)
    first, last = (of((adam[depth] > LEARNS).sum(), len(adam)) for depth in (min(DEEP), max(DEEP)))
    stops = {at: next((depth for depth in sgd if sgd.loc[at, depth] < STALLS), math.inf) for at in sgd.index}
    latest = listing(name(at) for at, stop in stops.items() if stop == max(stops.values()))
    ends = [count(end) if end < math.inf else "no" for end in (min(stops.values()), max(stops.values()))]
    return f"""\
**Sigmoid needs another optimiser or start.** With Adam it learns (more than half of the way) at {min(DEEP)} layers in
{first} universes and at {max(DEEP)} layers in {last}. With SGD it stops at {" to ".join(dict.fromkeys(ends))} layers,
latest {latest}."""


def of_tanh(cells: pd.DataFrame) -> str:
    """Where tanh stalls, and how far ReLU is ahead of it at the most."""
    each: Any = {arm: cells.xs(arm, level="activation")[list(DEEP)] for arm in ("tanh", "relu")}
    tanh, relu = each["tanh"], each["relu"]
    stalled = [f"{name(at)} at {depth} layers" for at in tanh.index for depth in DEEP if tanh.loc[at, depth] < STALLED]
    ahead = points((relu.mean(axis=1) - tanh.mean(axis=1)).max())
    return f"""\
**Tanh** does not stay behind as the document says: of all universes and depths it stalls only
{listing(stalled, "nowhere")}, and ReLU is nowhere more than {ahead} of progress ahead of it."""


def of_all_universes(found: Results) -> str:
    """What share of the differences is the activation's, and in which universes verdicts are withheld or doubted."""
    assert found.universe_summary is not None
    assert found.universe_findings is not None
    share = found.universe_summary.set_index("claim")["number"].get("activation-alone", math.nan)
    refuted, doubted = (controls_named(found.universe_findings, verdict) for verdict in ("refuted", "inconclusive"))
    return f"""\
So "the differences are the activation's alone" is too much to say of the two families. By the measure that was fixed
before the runs, {percent(share)} of the differences between activations do not depend on the other choices.

Controls that are refuted in a universe, so that verdicts are withheld there: {refuted}; that are open: {doubted}."""


def controls_named(findings: pd.DataFrame, verdict: str) -> str:
    """Which controls have a verdict, each with the number of universes in which it has it."""
    return controls(findings.groupby(list(CHOICES))["reason"].agg("; ".join), verdict)


def of_where_each_stops(found: Results) -> str:
    """The least depth at which each activation no longer learns in the reference universe."""
    progress: Any = found.runs.groupby(["activation", "depth"])["train_progress"].mean().unstack()
    depths = [depth for depth in progress if depth]
    stops = {arm: next((depth for depth in depths if progress.loc[arm, depth] < LEARNS), None) for arm in ARMS}
    never = listing((called(arm) for arm, stop in stops.items() if not stop), "none of them")
    at_two = found.runs[found.runs["depth"] == 2].groupby("activation")["test_accuracy"].mean().loc[ARMS]
    return f"""\
**Where each stops.** The claims take the worst of several depths. The least depth at which an activation makes less
than half of the way: {listing(f"{called(arm)} {stop}" for arm, stop in stops.items() if stop)}; {never} learns at every
depth. At two layers {called(at_two.idxmin())} is {points(at_two.max() - at_two.min(), places=0)} of accuracy behind the
best."""


def of_what_is_passed_back(found: Results) -> str:
    """What a sigmoid layer passes back from each start, measured and in theory."""
    assert found.universe_findings is not None
    findings = found.universe_findings.set_index("claim")
    measured = findings.loc["a-quarter-a-layer"].groupby("init")["number"].mean()
    four = findings.loc["four-layers"]
    holds = four["init"][(four["verdict"] == "supported") | (four["would_be"] == "supported")].unique()
    return f"""\
**A quarter a layer is a bound on the slope alone.** The backward signal is multiplied by the weights too. A sigmoid
layer passes back {listing(f"{percent(measured[init], 1)} from {text}" for init, text in STARTS.items())}. Theory for
wide layers (a Gaussian of the pre-activations' variance, pushed through from layer to layer) gives
{listing(percent(mean_field_factor(gain), 1) for gain in GAINS.values())}. That four layers pass back about a quarter
to the fourth power is so from {listing((STARTS[init] for init in holds), "no start")} alone."""


def mean_field_factor(gain: float) -> float:
    """What share of the signal a wide layer of sigmoid passes back, `gain` being inputs times a weight's variance.

    Source: the recursion of Poole and others 2016, without the biases.
    """
    at, weights = np.polynomial.hermite_e.hermegauss(101)
    weights /= weights.sum()
    variance = 1.0
    for _ in range(100):
        activations = 1 / (1 + np.exp(-np.sqrt(variance) * at))
        variance = gain * (weights @ activations**2)
    slopes = activations * (1 - activations)
    return float(np.sqrt(gain * (weights @ slopes**2)))


def called(arm: Any) -> str:
    """How an activation is called."""
    return level_label(STUDY.factor("activation"), arm)


def name(at: tuple[Level, ...]) -> str:
    """A universe in words."""
    return universe(STUDY, dict(zip(CHOICES, at, strict=True)))


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
