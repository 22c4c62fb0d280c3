"""Draws the figures of the study `attribution` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from research.publishing.figures import side_by_side
from research.publishing.prose import between, number, percent
from research.publishing.results import Results
from research.record.frames import Frames
from studies.attribution import METHODS, PAIRS

LEAST = 1e-17  # what is nothing is drawn there


def dots(ax: Axes, runs: pd.DataFrame, names: dict[str, str]) -> None:
    """A row for each metric, a dot for each seed, the median as a line."""
    for place, name in enumerate(names):
        values = runs[name].clip(lower=LEAST)
        ax.plot(values, place + 0.16 * side_by_side(runs["seed"]), "o", color="#0173b2", ms=3.5, alpha=0.6)
        ax.plot([np.median(values)] * 2, [place - 0.35, place + 0.35], color="black")
    ax.set_yticks(range(len(names)), list(names.values()))
    ax.invert_yaxis()


def completeness(tables: Frames) -> Figure:
    """What the shares of each method leave of the difference of outputs."""
    figure, ax = plt.subplots(figsize=(6.4, 2.6))
    dots(ax, tables.runs, {f"{name}_incomplete": word for name, word in METHODS.items()})
    ax.axvline(0.05, color="black", linestyle="--", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xlabel("left over, as a share of the difference of outputs")
    return figure


def agreement(tables: Frames) -> Figure:
    """How alike two methods order the patches, and how much the output falls without the first of them."""
    figure, row = plt.subplots(1, 2, figsize=(9.2, 2.8))
    pairs = {f"{one}_{other}": f"{METHODS[one]}, {METHODS[other]}" for one, other in (*PAIRS, ("gradient", "shap"))}
    dots(row[0], tables.runs, pairs | {"dealt_agreement": "SHAP, dealt out at random"})
    row[0].axvline(0.7, color="black", linestyle="--", linewidth=0.8)
    row[0].set(xlabel="rank correlation", xlim=(-0.4, 1.03))
    dots(
        row[1],
        tables.runs,
        {f"removed_{name}": word for name, word in METHODS.items()} | {"removed_dealt": "at random"},
    )
    row[1].set_xlabel("fall of the output without the first quarter")
    row[1].xaxis.set_major_locator(MaxNLocator(5))
    row[1].xaxis.set_major_formatter(lambda share, _: percent(share))
    return figure


CAPTIONS = {
    "completeness": "What the shares leave of the difference of outputs that they are to add up to, in the median "
    "image, a dot a seed. Left of the dashed line is what the authors of Integrated Gradients accept.",
    "agreement": "Left: how alike two methods order the patches of an image; right of the dashed line counts as "
    "agreement. Right: by how much the output falls where the patches with the largest shares are taken from the "
    "image, as a share of the difference of outputs. A dot is a seed, a line the median of all.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    numbers = found.findings.set_index("name")["number"]
    return f"""
### What to conclude

**What is promised.** Integrated Gradients leave {percent(numbers["integrated-gradients-complete"], 2)} of the
difference of outputs, the median; SHAP at most {number(numbers["shap-additive"])} of it, since its regression is made
to add up. Plain gradients promise no sum and leave {percent(numbers["plain-gradients-incomplete"])}; times inputs
{percent(numbers["gradients-times-inputs-incomplete"], 1)}, which without biases would be none, because ReLU networks
are then homogeneous. LIME's weights leave {percent(numbers["lime-incomplete"])}.

**A patch that changes nothing** gets {number(numbers["dummy-by-integrated-gradients"])} of the largest share by
Integrated Gradients, {number(numbers["dummy-by-lime"])} by LIME, whose penalty takes small weights to nothing, and
{number(numbers["dummy-by-shap"])} by SHAP: the theorem is about all coalitions, the package takes a sample. It is
{percent(numbers["shap-is-shapley"], 1)} off Shapley's values, the median.

**Agreement.** The smallest rank correlation of two of the three is {number(numbers["methods-agree"])}.{across(found)}

**Completeness is not faithfulness.** SHAP's shares dealt out at random among the patches add up as well. What the
output falls by without the patches that are named first is then
{percent(numbers["complete-not-faithful"])} of the difference less. That the true shares fare better does not show that
they are right: nothing here knows what a network goes by.
"""


def across(found: Results) -> str:
    """From what to what agreement goes in universes."""
    if found.universe_findings is None:
        return ""
    ends = found.universe_findings.query("claim == 'methods-agree'")["number"].dropna()
    return f" In all universes it is {between(ends.min(), ends.max())}."


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs = tables.runs[tables.runs["network"] == "trained"]
    if runs.empty or "removed_dealt" not in runs:
        return {}
    own = tables._replace(runs=runs)
    return {"completeness": completeness(own), "agreement": agreement(own)}
