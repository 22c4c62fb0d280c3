"""The training of `activation_depth` written a second time, in ordinary PyTorch: do both give the same distribution?

    python -m benchmarks.plain_pytorch --runs reports/activation_depth/runs.csv [--seeds N]

It shares with the harness nothing but the files of MNIST: one network at a time of nn.Linear layers as torch starts
them, torch's global generator, a split that is not stratified. Seeds are therefore other draws, and only distributions
can be compared: the table gives the mean and the standard deviation over seeds of each side, and Welch's interval of
their difference. Five to eight minutes on one core.
"""  # fmt: skip

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
import torch
from scipy.stats import ttest_ind
from torch import Tensor, nn

from research.design.errors import UserError
from research.training import data

CELLS: dict[str, tuple[type[nn.Module], int]] = {
    "relu depth=4": (nn.ReLU, 4),
    "tanh depth=2": (nn.Tanh, 2),
    "identity depth=0": (nn.Identity, 0),
    "identity depth=4": (nn.Identity, 4),
}
METRICS = ("test_accuracy", "test_loss", "untrained_test_accuracy")


def mnist() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images [60000, 784] in 0..1 and labels of the training files, then those of the test files."""
    raw = data.load("mnist")
    return raw.inputs / 255, raw.targets, raw.test_inputs / 255, raw.test_targets


def train(
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    *,
    activation: type[nn.Module],
    depth: int,
    seed: int,
    epochs: int = 5,
    width: int = 128,
    lr: float = 0.1,
    batch_size: int = 128,
) -> dict[str, float]:
    """Train one network by SGD on 55,000 of the 60,000 and give METRICS, on the test files."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    features = images.shape[1]
    for _ in range(depth):
        layers += [nn.Linear(features, width), activation()]
        features = width
    network = nn.Sequential(*layers, nn.Linear(features, 10))

    def test() -> tuple[float, float]:
        with torch.no_grad():
            logits = network(test_images)
        accuracy = (logits.argmax(dim=1) == test_labels).float().mean()
        return accuracy.item(), nn.functional.cross_entropy(logits, test_labels).item()

    untrained, _ = test()
    kept = torch.randperm(len(images))[:55_000]
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    for _ in range(epochs):
        for batch in kept[torch.randperm(len(kept))].split(batch_size):
            loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return dict(zip(METRICS, (*test(), untrained), strict=True))


def comparison(ours: pd.DataFrame, plain: pd.DataFrame) -> str:
    """A line for each metric: mean, standard deviation and n of both sides, the difference, its interval, Welch's t."""
    lines = []
    for metric in METRICS:
        both = [frame[metric].dropna() for frame in (ours, plain)]
        if not all(len(side) > 1 for side in both):
            raise UserError(f"{metric}: needs two seeds or more on each side, has {len(both[0])} and {len(both[1])}")
        welch = ttest_ind(*both, equal_var=False)
        low, high = welch.confidence_interval(0.95)
        sides = "  ".join(f"{side.mean():8.5f} ± {side.std():.5f} (n={len(side)})" for side in both)
        difference = f"{both[0].mean() - both[1].mean():+.5f} [{low:+.5f}, {high:+.5f}]"
        lines.append(f"  {metric:24} {sides}  {difference}  t={welch.statistic:+.2f} p={welch.pvalue:.2f}")
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.plain_pytorch", description="Check the harness's training.")
    parser.add_argument("--runs", type=Path, required=True, metavar="CSV", help="the study's exported table of runs")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many plain trainings a cell")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        runs = pd.read_csv(options.runs)
        if lacking := [name for name in ("cell", *METRICS) if name not in runs]:
            raise UserError(f"{options.runs}: has no column {', '.join(lacking)}; take activation_depth's runs.csv")
        tensors = mnist()
        print("metric: harness, plain (mean ± standard deviation over seeds), difference [95 % interval], Welch's test")
        for cell, (activation, depth) in CELLS.items():
            plain = [train(*tensors, activation=activation, depth=depth, seed=seed) for seed in range(options.seeds)]
            print(f"{cell}\n{comparison(runs[runs['cell'] == cell], pd.DataFrame(plain))}", flush=True)
    except (OSError, ValueError, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
