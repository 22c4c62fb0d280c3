"""Draws the figure of the study `parameter_explosion` from its tables, and says what to conclude from them."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.figures import looks, side_by_side
from research.publishing.prose import between, listing, number
from research.publishing.results import Results
from research.record.frames import Frames
from studies.parameter_explosion import SIDES, STUDY

NETWORKS = {"mlp": "MLP", "convolution": "convolution"}
METRICS = {"parameters": "parameters", "peak_memory": "memory (MiB)", "step_seconds": "time of a step (s)"}


def growth(runs: pd.DataFrame) -> Figure:
    """Parameters, memory and time of a step by the side of the image, on logarithmic axes, every seed a mark."""
    figure, row = plt.subplots(1, 3, figsize=(9.2, 3.2))
    for ax, (metric, label) in zip(row, METRICS.items(), strict=True):
        for network, look in zip(NETWORKS, looks([*NETWORKS]).values(), strict=True):
            own = runs[runs["network"] == network].dropna(subset=metric)
            spread = own["side"] * (1 + 0.15 * side_by_side(own["seed"]))
            ax.plot(spread, own[metric], look["marker"], color=look["color"], markersize=3, alpha=0.5)
            medians = own.groupby("side")[metric].median()
            ax.plot(medians, look["marker"], color=look["color"], linestyle=look["linestyle"], linewidth=1,
                    markersize=4, label=NETWORKS[network])  # fmt: skip
        if metric == "peak_memory":
            predicted = [STUDY.predicted("predicted_memory", {"side": side, "network": "mlp"}) for side in SIDES]
            ax.plot(SIDES, predicted, color="black", linestyle=":", linewidth=1, label="weights, gradients and images")
        ax.set(xscale="log", yscale="log", xlabel="pixels a side", ylabel=label)
        ax.set_xticks(SIDES, [str(side) for side in SIDES])
        ax.set_xticks([], minor=True)
    figure.legend(*row[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


CAPTIONS = {
    "growth": "What an MLP and a convolution cost by the side of their images: parameters, the memory of a process "
    "above what it takes without a network, and the time of a training step. A mark a seed, which is a process of its "
    "own; lines join medians. Dotted is what the weights of the MLP, their gradients and the images take.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    runs = found.runs[found.runs["network"].isin([*NETWORKS])]
    median = runs.groupby(["network", "side"])[[*METRICS]].median()

    def told(network: str) -> str:
        last, first = ([float(median[metric][network, side]) for metric in METRICS] for side in (SIDES[-1], SIDES[0]))
        times = listing(number(one / other) for one, other in zip(last, first, strict=True))
        costs = f"{number(last[0])} parameters, {number(last[1])} MiB and {number(last[2])} seconds a step"
        return f"of the {NETWORKS[network]} {costs}, {times} times"

    return f"""
### What to conclude

**It is the pixels.** A first layer has a weight for each pixel, channel and unit, no more and no less: its number is in
proportion to the pixels, that is to the square of an image's side. With {SIDES[-1]:,} pixels a side there
are {listing(told(network) for network in NETWORKS)} those with {SIDES[0]}.

**What a convolution saves.** Its parameters, which do not know how large the image is. Its memory and its time grow
with the pixels as the MLP's do: it computes its small MLP at every place and keeps what comes out for the gradient.

**The same thing.** A convolution is a dense layer in which all weights but those of a patch are zero and those of all
patches are the same. So what it computes a dense layer can; what is shared is what has to be learnt and stored.
{of_universes(found)}"""


def of_universes(found: Results) -> str:
    """How far growth depends on what the documents leave open."""
    if found.universe_findings is None:
        return ""
    numbers = found.universe_findings.dropna(subset="number").groupby("claim")["number"].agg(["min", "max"])
    low, high = numbers["min"], numbers["max"]
    named = {"memory-by-pixels": "memory", "time-by-pixels": "time"}
    told = listing(f"{between(low[claim], high[claim])} ({name})" for claim, name in named.items() if claim in low)
    return f"""
**Other choices.** By the side of the image the MLP's cost grows with an exponent of {told} in the median of a universe.
"""


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    return {"growth": growth(tables.runs)} if {*METRICS} <= {*tables.runs} else {}
