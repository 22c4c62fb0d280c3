"""Draws the figures of the study `activation_depth` from its tables."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from research.figures import draw_against, draw_curves, place_legend, word

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


def figures(runs: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs, curves = (table[table["activation"].isin(ARMS)] for table in (runs, curves))
    return {"learning_curves": learning_curves(runs, curves), "accuracy_by_depth": accuracy_by_depth(runs)}
