"""Draws the figures of the study `regularization` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import listing, number, percent, points
from research.publishing.results import Results
from research.record.frames import Frames
from studies.regularization import ALL, MECHANISMS, NAMES, RECIPES, STUDY

WORDS = STUDY.arms.words
ALONE = ("none", *MECHANISMS, ALL)


def named(recipe: str) -> str:
    return WORDS.get(recipe, NAMES.get(recipe, recipe))


def ends(runs: pd.DataFrame) -> Figure:
    """Test accuracy, the gap to training accuracy and the test loss of each recipe, a mark a seed, bars the medians."""
    recipes = [recipe for recipe in RECIPES if recipe in set(runs["recipe"])]
    figure, row = plt.subplots(1, 3, figsize=(9.2, 0.8 + 0.3 * len(recipes)), sharey=True)
    metrics = {"steady_test_accuracy": "test accuracy", "steady_generalisation_gap": "training minus test accuracy",
               "steady_test_loss": "test loss (nats)"}  # fmt: skip
    for ax, (metric, label) in zip(row, metrics.items(), strict=True):
        for place, recipe in enumerate(recipes):
            own = runs[runs["recipe"] == recipe].dropna(subset=metric)
            colour = "#0173b2" if recipe in ALONE else "0.45"
            ax.plot(own[metric], place + 0.3 * side_by_side(own["seed"]), "o", color=colour, markersize=2.5, alpha=0.6)
            ax.plot([own[metric].median()] * 2, [place - 0.35, place + 0.35], color="black")
        ax.axvline(runs.loc[runs["recipe"] == "none", metric].median(), color="0.6", linewidth=0.8, linestyle="--")
        ax.set(xlabel=label, ylim=(len(recipes) - 0.4, -0.6))
        if "loss" not in metric:
            ax.xaxis.set_major_formatter(lambda share, _: percent(share))
    row[0].set_yticks(range(len(recipes)), [named(recipe) for recipe in recipes])
    return figure


def courses(curves: pd.DataFrame) -> Figure:
    """The training and the validation loss of none, each alone and all five, medians over the seeds."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 3.4))
    recipes = [recipe for recipe in ALONE if recipe in set(curves["recipe"]) and recipe != "stopping"]
    for ax, metric, label in zip(row, ("train_loss", "validation_loss"), ("training", "validation"), strict=True):
        for recipe, look in looks(recipes).items():
            wide = curves[curves["recipe"] == recipe].pivot(index="step", columns="seed", values=metric).dropna()
            ax.plot(wide.median(axis=1), color=look["color"], linestyle=look["linestyle"], label=named(recipe))
        ax.set(xlabel="step", ylabel=f"{label} loss (nats)")
    row[0].set_yscale("log")
    row[1].set_ylim(bottom=0)
    row[1].legend(frameon=False, fontsize=8)
    return figure


CAPTIONS = {
    "ends": "What each recipe ends at: a mark a seed, the bar their median, the dashed line the median with no "
    "mechanism. In colour none, each alone and all together; of recipes with early stopping all numbers are of the "
    "evaluation at which the validation loss was least.",
    "courses": "Training loss (with dropout and shifted images as they are trained) and validation loss over the "
    "steps, medians over the seeds. Early stopping changes neither: it reads at the least of the validation loss.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    by = found.runs[found.runs["recipe"].isin(RECIPES)].groupby("recipe")
    test, gap, loss = (by[f"steady_{name}"].median() for name in ("test_accuracy", "generalisation_gap", "test_loss"))
    train, rise = by["steady_train_accuracy"].median(), by["validation_rise"].median()
    gains = {each: test[each] - test["none"] for each in MECHANISMS}
    pairs = [recipe for recipe in RECIPES if recipe.count("+") == 1]
    best = str(test[pairs].idxmax())
    return f"""
### What to conclude

**Overfitting.** With no mechanism a median of {percent(train["none"], 1)} of the training set and
{percent(test["none"], 1)} of the test set is right; at the end the validation loss is {number(rise["none"])} nats above
its least.

**One by one.** The median test accuracy changes by
{listing(f"{points(gains[each])} ({named(each)})" for each in MECHANISMS)}. The median test loss is
{listing(f"{number(loss[each])} ({named(each)})" for each in ("none", *MECHANISMS))} nats. Early stopping reads the same
training at another time, so it can lower the loss without any gain in accuracy. Alone each leaves a gap between
training and test accuracy of {listing(f"{points(gap[each])} ({named(each)})" for each in MECHANISMS)}.

**Together.** All five come to {percent(test[ALL], 1)}, the best pair ({named(best)}) to {percent(test[best], 1)}. They
are not independent: shifted images are more data, of which there is less to learn by heart, and each that slows
training down leaves less of it to the others within the same number of steps. Strengths are those of the document and
were not tuned together.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far helping depends on what the document leaves open."""
    if found.universe_findings is None:
        return ""
    own = found.universe_findings.dropna(subset="number").groupby("claim")["number"].agg(["min", "max"])
    told = (
        f"{points(own['min'][claim], own['max'][claim])} ({named(each)})"
        for each in MECHANISMS
        if (claim := f"{each.replace('stopping', 'stopping-accuracy')}-helps") in own.index
        and np.isfinite(own.loc[claim]).all()
    )
    return f"""
**Other choices.** In the median of a universe each alone changes test accuracy by {listing(told)}.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    drawn = {}
    runs = tables.runs[tables.runs["recipe"].isin(RECIPES)]
    if {"steady_test_accuracy", "steady_generalisation_gap", "steady_test_loss"} <= {*runs}:
        drawn["ends"] = ends(runs)
    if {"train_loss", "validation_loss"} <= {*tables.curves}:
        drawn["courses"] = courses(tables.curves[tables.curves["recipe"].isin(RECIPES)])
    return drawn
