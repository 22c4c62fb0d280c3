"""What the very last step does to a network of `activation_depth`, computed by ordinary PyTorch in float64.

    python -m benchmarks.last_step [--activation identity] [--depth 4] [--seed 6]

It takes the start, the split and the order of examples from the harness, and nothing else: the network is made of
nn.Linear layers, the gradient comes from its own backward pass and the step is written out. For the last steps of each
epoch the table gives how many examples the batch has, how often its most and its least frequent class occur in it, and
the test accuracy after it. A minute or less.
"""  # fmt: skip

from __future__ import annotations

import argparse
import sys

import torch
from torch import nn

from research import data
from research.config import UserError
from research.loading import load_study
from research.models import StackedMLP

MODULES = {"identity": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}
SHOWN = 3  # steps before the end of an epoch


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.last_step", description="Compute a training's last steps.")
    parser.add_argument("--activation", default="identity", choices=MODULES)
    parser.add_argument("--depth", type=int, default=4, metavar="N", help="hidden layers (default: 4)")
    parser.add_argument("--seed", type=int, default=6, metavar="N", help="the seed (default: 6)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        config = load_study("activation_depth").config({"activation": options.activation, "depth": options.depth})
        mnist = data.load("mnist")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    start = StackedMLP(config, [options.seed], torch.float64)
    layers: list[nn.Module] = []
    for weight, bias in zip(start.weights, start.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:], dtype=torch.float64)
        linear.load_state_dict({"weight": weight[0].detach().T, "bias": bias[0, 0].detach()})
        layers += [linear, MODULES[config.activation]()]
    network = nn.Sequential(*layers[:-1])
    inputs, test_inputs = (images.double() / 255 for images in (mnist.inputs, mnist.test_inputs))
    train, _ = data.split(mnist.targets.numpy(), mnist.info.num_validation, options.seed)
    print("epoch  step  examples  most  least  test accuracy after the step")
    for epoch in range(config.epochs):
        order = torch.from_numpy(data.stream(options.seed, "order", epoch).permutation(train))
        batches = order.split(config.batch_size)
        for step, batch in enumerate(batches, start=1):
            loss = nn.functional.cross_entropy(network(inputs[batch]), mnist.targets[batch])
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                    parameter -= config.lr * gradient
                if step > len(batches) - SHOWN:
                    counts = mnist.targets[batch].bincount(minlength=10)
                    accuracy = (network(test_inputs).argmax(1) == mnist.test_targets).double().mean()
                    row = f"{len(batch):8}  {int(counts.max()):4}  {int(counts.min()):5}  {accuracy:.4f}"
                    print(f"{epoch + 1:5}  {step:4}  {row}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
