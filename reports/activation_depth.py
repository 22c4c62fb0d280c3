"""Draws the figures of the study `activation_depth` from its tables."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.figures import draw_against, draw_curves, legend_handles, word

ARMS = ["sigmoid", "tanh", "relu", "gelu"]


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Training loss and validation accuracy over epochs, a column for each depth."""
    curves = curves[curves["activation"].isin(ARMS)]
    depths, metrics = sorted(curves["depth"].unique()), ("train_loss", "validation_accuracy")
    figure, grid = plt.subplots(
        2,
        len(depths),
        figsize=(0.7 + 1.45 * len(depths), 4.2),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for row, metric in zip(grid, metrics, strict=True):
        for ax, depth in zip(row, depths, strict=True):
            draw_curves(ax, curves[curves["depth"] == depth], metric, "activation", ARMS)
            ax.set(xlabel="", ylabel=word(metric) if ax is row[0] else "")
    for ax, depth in zip(grid[0], depths, strict=True):
        ax.set_title(f"{depth} hidden layer" if depth == 1 else f"{depth} hidden layers")
    grid[0][0].set_ylim(bottom=0)
    grid[1][0].set_ylim(0, 1)
    figure.supxlabel("epoch", fontsize=9)
    figure.legend(
        handles=list(legend_handles(ARMS, marked=False)),
        loc="outside upper center",
        ncols=4,
        frameon=False,
        handlelength=3,
    )
    return figure


def accuracy_by_depth(runs: pd.DataFrame) -> Figure:
    """Final test accuracy against depth: every seed, with each activation's mean and interval."""
    runs = runs[runs["activation"].isin(ARMS)]
    figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
    draw_against(ax, runs, "depth", "test_accuracy", "activation", ARMS)
    ax.set_ylim(0, 1)
    figure.legend(
        handles=list(legend_handles(ARMS, marked=True)),
        loc="outside upper center",
        ncols=4,
        frameon=False,
        handlelength=3,
    )
    return figure


def figures(runs: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Figure]:
    """The study's figures by file name."""
    return {"learning_curves": learning_curves(curves), "accuracy_by_depth": accuracy_by_depth(runs)}
