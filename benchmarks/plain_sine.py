"""The widest network of `width_sine` trained a second time, in ordinary PyTorch: does its error jump there too?

    python -m benchmarks.plain_sine --curves reports/width_sine/curves.csv [--width N] [--seeds N]

It shares nothing with the harness: one network of nn.Linear layers as torch starts them, float32, torch's global
generator. Seeds are therefore other draws. Of the ten evaluations from step 4,100 to step 5,000 the table gives the
median of the largest error and the share of evaluations that find it above 0.1. About a minute a seed at width 2048.
"""  # fmt: skip

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import nn

STEPS, EVERY, FROM = 5000, 100, 4100
JUMP = 0.1


def errors(width: int, seed: int) -> pd.Series[float]:
    """The largest error over 4,096 points at each evaluation from step FROM on."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1))
    x, points = (torch.linspace(-2 * math.pi, 2 * math.pi, count)[:, None] for count in (1024, 4096))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    found = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x), torch.sin(x)).backward()
        optimizer.step()
        if step % EVERY == 0 and step >= FROM:
            with torch.no_grad():
                found.append((network(points) - torch.sin(points)).abs().max().item())
    return pd.Series(found)


def line(name: str, found: pd.Series[float]) -> str:
    """Median, share of jumps and n of a side's evaluations."""
    return f"{name:8} median {found.median():.4f}, above {JUMP}: {100 * (found > JUMP).mean():.0f} % of {len(found)}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.plain_sine", description="Check the harness's training.")
    parser.add_argument("--curves", type=Path, required=True, metavar="CSV", help="the exported table of curves")
    parser.add_argument("--width", type=int, default=2048, metavar="N", help="hidden units (default: 2048)")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="how many plain trainings (default: 10)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        curves = pd.read_csv(options.curves)
        chosen = (curves["width"] == options.width) & (curves["case"] == "sine") & (curves["step"] >= FROM)
        ours = curves.loc[chosen, "test_sup_error"]
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {options.curves}: is not width_sine's table of curves ({error})", file=sys.stderr)
        return 2
    print(line("harness", ours), flush=True)
    print(line("plain", pd.concat([errors(options.width, seed) for seed in range(options.seeds)])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
