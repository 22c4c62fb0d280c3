"""Draws the figure of the study `transformer_share` from its tables, and says what to conclude from it."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from research.publishing.prose import between, number, percent
from research.publishing.results import Results
from research.record.frames import Frames
from studies.transformer_share import NAMES, PARTS

COLOURS = {"mlp": "#0173b2", "attention": "#de8f05", "norm": "#029e73", "rest": "#bbbbbb"}


def shares(runs: pd.DataFrame) -> Figure:
    """Where the parameters of each model are, the smallest model first, and the MLPs' share in its blocks."""
    counts = runs.groupby("case").first().sort_values("parameters")
    figure, ax = plt.subplots(figsize=(7.2, 0.24 * len(counts) + 1.3))
    left = pd.Series(0.0, counts.index)
    for part, words in PARTS.items():
        own = counts[f"{part}_parameters"] / counts["parameters"]
        ax.barh(range(len(counts)), own, left=left, color=COLOURS[part], height=0.72, label=words)
        left += own
    ax.plot(counts["block_share"], range(len(counts)), "D", color="black", markersize=4, label="MLP's share in blocks")
    ax.axvline(2 / 3, color="black", linestyle="--", linewidth=0.8, label="two thirds")
    ax.set_yticks(range(len(counts)), [f"{NAMES[case]} ({short(counts['parameters'][case])})" for case in counts.index])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="share of the parameters")
    ax.xaxis.set_major_formatter(lambda share, _: percent(share))
    ax.grid(False)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def short(count: float) -> str:
    """A number of parameters: `124 M`, `6.7 B`."""
    return f"{round(count / 1e6)} M" if count < 1e9 else f"{number(count / 1e9)} B"


CAPTIONS = {
    "shares": "Where the parameters of named transformers are, counted from the configurations that the package "
    "transformers ships, with the heads that they are trained with. Diamonds: the share of the MLPs in the blocks, "
    "without embeddings and outputs. Parameters that two modules share count once, all experts count. Normalisations "
    "are too few to be seen.",
}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    numbers = found.findings.set_index("name")["number"]
    return f"""
### What to conclude

**Two thirds is the arithmetic of one kind of block.** Where an MLP is four times as wide as the model and attention has
four full matrices the share in blocks is two thirds, to {percent(numbers["textbook-is-two-thirds"], 2)}. LLaMA's gated
MLP has three matrices of eight thirds of the width, which comes to the same: of the models that the documents name
blocks are at most {percent(numbers["two-thirds-of-blocks"], 1)} off. Cross-attention takes away from it, heads that
share keys and wider MLPs add to it: of all models blocks are up to {percent(numbers["two-thirds-of-every-block"], 1)}
off, most in mixtures of experts.

**Of whole models it is less,** since embeddings count: up to {percent(numbers["two-thirds-of-models"], 1)} off in the
models that the documents name. Above a billion parameters it is at least {percent(numbers["half-or-more"])}, below at
least {percent(numbers["half-or-more-of-small"])}.{across(found)}

**Token by token.** The MLP of a block gives each token alone what it gives it among others, to
{number(numbers["token-by-token"])}. In LLaMA it is no MLP of two layers, but has a third matrix that gates its hidden
units; in the others it is one.

**Activations.** The GPTs compute GELU by its approximation with tanh. Of the language models of the package
{percent(numbers["gelu-is-the-default"])} have GELU by default, of its CNNs {percent(numbers["relu-of-cnns"])} a kind of
ReLU. A package's list is no sample: newer models are many, and each counts once.
"""


def across(found: Results) -> str:
    """What counting in another way does."""
    if found.universe_findings is None:
        return ""
    ends = found.universe_findings.query("claim == 'two-thirds-of-models'")["number"].dropna()
    return f" With and without heads the named ones are {between(100 * ends.min(), 100 * ends.max())} points off."


def figures(tables: Frames) -> dict[str, Figure]:
    """The study's figures by file name."""
    runs = tables.runs[tables.runs["case"].isin(NAMES)]
    return {"shares": shares(runs)} if "mlp_parameters" in runs and len(runs) else {}
