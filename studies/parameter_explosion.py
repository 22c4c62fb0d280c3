"""Do the parameters of an MLP explode with the size of its images, and those of a convolution not?

Question. Document A asks why, of high-resolution images, the number of an MLP's parameters explodes so quickly.
Document B (7.4, Q5) calls a convolution a local MLP whose weights are shared, the same at every place.

Cost. Full tier: two networks at five sizes of images, each measured by 20 processes of its own, one at a time.

What to expect. The first layer has pixels x channels x units weights and a bias a unit: in proportion to the pixels,
that is to the square of an image's side. Weights and their gradients are what memory holds and a step goes over, so
both grow alike once they are large beside all else. A convolution's parameters know nothing of the image's size; its
outputs do, so its memory and time grow with the pixels as well. That a convolution is a small MLP on every patch is
mathematics, and held to patches cut by hand, to one dense matrix with the same weights again and again, and to the sum
of gradients over places.

Images have 28 (MNIST), 64, 224 (ImageNet), 512 and 1,024 pixels a side, three channels, and go in batches of four: the
first layer has 64 units, the convolution 16 maps of 3 x 3, both with ReLU and ten outputs. A process imports torch and
takes a step of a tiny network before it looks at its memory, then makes the network, takes a step to warm up and steps
for at least 0.3 seconds, five at least, on one thread. The largest network holds about 1.7 GB. Growth is judged from
224 pixels a side on: what is smaller is hidden by the cost of calls. All was fixed before any run but smoke.
"""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report

SIDES = (28, 64, 224, 512, 1024)
LARGE = SIDES[2:]
UNITS, MAPS, KERNEL, OUTPUTS = 64, 16, 3, 10
MIB = 2**20


def measured(kind: str, side: int, channels: int, batch: int, units: int, maps: int, seed: int) -> None:
    """Print what a network costs a process of its own: parameters, MiB above what torch takes, seconds a step.

    "twice" takes one step of the MLP and two in turn, and prints how many times as long two take; "tensor" fills as
    many floats as the first layer has weights, "nothing" has no network. The source of this function is all that the
    process runs.
    """
    import json
    import resource
    import statistics
    import sys
    import time
    from pathlib import Path

    import torch

    def peak() -> float:
        """The largest memory so far, in MiB. What Linux says of resources may be that of who started the process."""
        status = Path("/proc/self/status")
        if status.exists():
            (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1]) / 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)

    def made(name: str, size: int) -> torch.nn.Sequential:
        if name == "convolution":
            first: list[torch.nn.Module] = [torch.nn.Conv2d(channels, maps, 3, padding=1), torch.nn.ReLU()]
            return torch.nn.Sequential(
                *first, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(maps, 10)
            )
        first = [torch.nn.Flatten(), torch.nn.Linear(channels * size**2, units), torch.nn.ReLU()]
        return torch.nn.Sequential(*first, torch.nn.Linear(units, 10))

    def step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor) -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), torch.zeros(len(images), dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    for name in ("mlp", "convolution"):
        tiny = made(name, 4)
        step(tiny, torch.optim.SGD(tiny.parameters(), 0.1), torch.randn(2, channels, 4, 4))
    before, seconds, parameters = peak(), [0.0], 0
    if kind == "tensor":
        torch.ones(units * channels * side**2)
    elif kind != "nothing":
        network = made("convolution" if kind == "convolution" else "mlp", side)
        parameters = sum(each.numel() for each in network.parameters())
        optimizer, images = torch.optim.SGD(network.parameters(), 0.01), torch.randn(batch, channels, side, side)
        step(network, optimizer, images)
        began, double = time.perf_counter(), list[float]()
        seconds = []
        while len(seconds) < 5 or time.perf_counter() - began < 0.3:
            for steps, times in ((1, seconds), (2, double))[: 2 if kind == "twice" else 1]:
                start = time.perf_counter()
                for _ in range(steps):
                    step(network, optimizer, images)
                times.append(time.perf_counter() - start)
    found = {"parameters": parameters, "peak_memory": peak() - before, "step_seconds": statistics.median(seconds)}
    if kind == "twice":
        found["twice"] = statistics.median(double) / statistics.median(seconds)
    print(json.dumps(found))


@dataclass(frozen=True)
class Cost(Task):
    """What a network costs a process of its own, a process for each seed, with nothing beside it."""

    words: ClassVar[Mapping[str, str]] = {"side": "pixels a side", "batch": "batch size"}

    kind: str
    side: int
    channels: int = 3
    batch: int = 4

    def gives(self) -> Mapping[str, Metric]:
        twice = Metric("time of two steps over that of one", promised=True)
        return {
            "parameters": Metric("parameters", promised=True),
            "peak_memory": Metric("memory of a process", "its peak, above what it takes before there is a network",
                             "MiB", promised=True),
            "step_seconds": Metric("time of a step", "the median of its steps", "s", promised=True),
        } | ({"twice": twice} if self.kind == "twice" else {})  # fmt: skip

    @property
    def runs_alone(self) -> bool:
        return True

    @property
    def tolerance(self) -> float:
        return 1.0  # times are not the same twice

    def depends_on(self, metric: str) -> Any:
        return (self.kind, self.side, self.channels) if metric == "parameters" else self

    def seconds(self, num_seeds: int) -> float:
        return num_seeds * (2.5 + 6e-6 * self.side**2)

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for done, seed in enumerate(seeds):
            arguments = (self.kind, self.side, self.channels, self.batch, UNITS, MAPS, seed)
            source = f"{inspect.getsource(measured)}\nmeasured{arguments!r}\n"
            ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
            yield Replicate(seed, {name: float(value) for name, value in json.loads(ran.stdout).items()})
            report((done + 1) / len(seeds))


@dataclass(frozen=True)
class Counts(Task):
    """Parameters that torch's layers have for images of random sizes, on its meta device, against the formula."""

    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def gives(self) -> Mapping[str, Metric]:
        return {
            "count_off": Metric("layers with another count than pixels x channels x units + units", promised=True,
                                cases="layers"),
            "kernel_off": Metric("convolutions with a count that the image's size changes", promised=True,
                                 cases="layers"),
            "layers": Metric("layers for images of random sizes", promised=True),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import torch

        def count(layer: torch.nn.Module, *shape: int) -> int:
            layer(torch.empty(1, *shape, device="meta"))  # it takes images of this shape
            return sum(each.numel() for each in layer.parameters())

        for seed in seeds:
            rng, off, kernel = stream(seed, "sizes of images"), 0, 0
            for _ in range(200):
                high, wide, channels, units = (int(each) for each in rng.integers(1, (1025, 1025, 5, 4097)))
                pixels = high * wide
                dense = torch.nn.Linear(pixels * channels, units, device="meta")
                off += count(dense, pixels * channels) != pixels * channels * units + units
                maps = torch.nn.Conv2d(channels, units, KERNEL, padding="same", device="meta")
                kernel += count(maps, channels, high, wide) != KERNEL**2 * channels * units + units
            yield Replicate(seed, {"count_off": float(off), "kernel_off": float(kernel), "layers": 200.0})


@dataclass(frozen=True)
class LocalMLP(Task):
    """A convolution of 3 x 3, ReLU and one of 1 x 1, against an MLP that is given each patch of an image by itself.

    On images of 8 x 8 of one to three channels, 50 networks a seed, in float64. `as_dense` holds the first convolution
    to one matrix from all pixels to all places, whose weights are zero but for the patch, and there the same at every
    place. `gradient` holds the kernel's gradient to the sum of the local MLP's over all places.
    """

    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def gives(self) -> Mapping[str, Metric]:
        known = {
            "as_patches": "difference of convolutions from an MLP on every patch",
            "as_dense": "difference of a convolution from one dense matrix of shared weights",
            "gradient": "difference of the kernel's gradient from the sum over places",
            "elsewhere": "difference where each place is given the patch of its neighbour",
            "unshared": "difference where one place has weights of its own",
        }
        found = {name: Metric(label, promised=True, cases="networks") for name, label in known.items()}
        return found | {"networks": Metric("random networks", promised=True)}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            rows = [self.compared(stream(seed, "local network", number), 1 + number % 3) for number in range(50)]
            worst = {
                name: float((np.max if name in EQUAL else np.median)([row[name] for row in rows])) for name in rows[0]
            }
            yield Replicate(seed, {**worst, "networks": 50.0})

    def compared(self, rng: np.random.Generator, channels: int) -> dict[str, float]:
        import torch

        def away(ours: Any, theirs: Any) -> float:
            return float(((ours - theirs).abs().max() / theirs.abs().max()).detach())

        def normal(*shape: int) -> Any:
            return torch.from_numpy(rng.standard_normal(shape))

        side, hidden, outputs = 8, int(rng.integers(2, 9)), int(rng.integers(2, 9))
        image, kernel, bias = normal(1, channels, side, side), normal(hidden, channels, KERNEL, KERNEL), normal(hidden)
        second, constant = normal(outputs, hidden), normal(outputs)
        kernel.requires_grad_()
        first = torch.nn.functional.conv2d(image, kernel, bias, padding=1)
        maps = torch.nn.functional.conv2d(first.relu(), second[:, :, None, None], constant)
        (gradient,) = torch.autograd.grad(maps.square().sum() / 2, kernel)

        padded = np.pad(image[0].numpy(), ((0, 0), (1, 1), (1, 1)))
        cut = [padded[:, row : row + KERNEL, column : column + KERNEL] for row in range(side) for column in range(side)]
        patches = torch.from_numpy(np.array([patch.ravel() for patch in cut]))  # [64, channels * 9]
        weight = kernel.detach().flatten(1).clone().requires_grad_()

        def local(given: Any) -> Any:
            return (given @ weight.T + bias).relu() @ second.T + constant

        places = maps[0].flatten(1).T
        summed = sum(torch.autograd.grad(local(patch).square().sum() / 2, weight)[0] for patch in patches)
        dense = np.zeros((hidden, side, side, channels, side + 2, side + 2))
        for row in range(side):
            for column in range(side):
                dense[:, row, column, :, row : row + KERNEL, column : column + KERNEL] = kernel.detach().numpy()
        outer = torch.from_numpy(np.tensordot(dense, padded, 3)) + bias[:, None, None]
        own = local(patches).detach()
        own[0] += normal(outputs)
        return {
            "as_patches": away(local(patches), places), "as_dense": away(outer, first[0]),
            "gradient": away(summed.reshape(kernel.shape), gradient),
            "elsewhere": away(local(patches.roll(1, 0)), places), "unshared": away(own, places),
        }  # fmt: skip


EQUAL = ("as_patches", "as_dense", "gradient")  # the rest is to differ


def configure(side: int, network: str, channels: int, batch: int) -> Task:
    if network == "counted":
        return Counts()
    return LocalMLP() if network == "local" else Cost(network, side, channels, batch)


def predicted_memory(side: int, network: str, channels: int, batch: int) -> float:
    """MiB: of an MLP weights, their gradients and the images, in floats; of a tensor itself.

    Of a convolution the images and, once each, its maps before and after ReLU and the gradients of both.
    """
    inputs = channels * side**2
    if network == "tensor":
        return 4 * UNITS * inputs / MIB
    if network == "convolution":
        return 4 * batch * side**2 * (channels + 4 * MAPS) / MIB
    return 4 * (2 * ((inputs + 1) * UNITS + (UNITS + 1) * OUTPUTS) + batch * inputs) / MIB


def of(
    metric: str, network: str, sides: tuple[int, ...], join: Any = "only", over: str = "", other: str = ""
) -> Number:
    networks = (network, other) if other else (network,)
    return Number(metric, sides, {"network": networks}, join, "ratio" if other else "only", (0.0, math.inf), over=over)


def square(name: str, text: str, number: Number, passage: str = "project") -> Claim:
    """That something grows like the pixels: with the square of an image's side."""
    return Claim(name, text, passage, "most", number, above=1.6, below=2.4,
                 by_hand="an exponent from 1.6 to 2.4 counts as the 2 of pixels")  # fmt: skip


ENDS = (SIDES[-1], SIDES[0])
COSTS = ("memory-by-pixels", "memory-as-predicted", "convolution-memory-by-pixels")
TIMES = ("time-by-pixels", "convolution-time-by-pixels")
STUDY = Study(
    name="parameter_explosion",
    question="Do the parameters of an MLP explode with the size of its images, and those of a convolution not?",
    passage="A (To-do), B 7.4, Q5",
    says="Of high-resolution images the number of an MLP's parameters explodes. A convolution is a local MLP whose "
    "weights are shared, the same at every place.",
    configure=configure,
    arms=Factor("side", SIDES, "pixels a side"),
    blocks=(Factor("network", ("mlp", "convolution", "counted", "local"), words={"mlp": "MLP", "local": "local MLP"}),),
    grids=(
        {"network": ("mlp", "convolution")},
        {"side": SIDES[:1], "network": ("counted", "local")},  # which have images of sizes of their own
    ),
    choices=(
        Factor("channels", (3, 1), phrase="with {}", words={3: "three", 1: "one"},
               in_text={3: "three channels", 1: "one channel"}),
        Factor("batch", (4, 1), "batch size", "in batches of {}", {4: "four", 1: "one"}),
    ),
    universes=({"channels": 1}, {"batch": 1}),
    universe_reasons="Grey images, and one image at a time, each alone: what a step holds and goes over beside its "
    "weights. Left out: more units, which would not fit memory at the largest size; optimisers with moments, which "
    "hold more a weight; and other machines.",
    predictions={"predicted_memory": predicted_memory},
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=1, levels={"side": (28, 64), "channels": (3,)}),
    },
    headline=("parameters", "step_seconds"),
    controls=(
        Control("nothing-holds-nothing", "An effect that must not show: a process without network holds nothing more.",
                of("peak_memory", "nothing", (28,)), below=2.0, kind="always", guards=COSTS,
                cells=({"side": 28, "network": "nothing"},)),
        Control("known-memory", "Exact: a tensor of known size takes its size, to a twentieth.",
                of("peak_memory", "tensor", (512,), over="predicted_memory"), above=0.95, below=1.05, kind="always",
                guards=COSTS, cells=({"side": 512, "network": "tensor"},)),
        Control("twice-takes-twice", "An effect that must show: two steps take twice the time of one, to a fifth.",
                of("twice", "twice", (224,)), above=1.6, below=2.4, guards=TIMES,
                cells=({"side": 224, "network": "twice"},)),
        Control("other-places", "An effect that must show: with a neighbour's patch the local MLP is no convolution.",
                of("elsewhere", "local", (28,)), above=0.01, kind="always", guards=("convolution-is-local-mlp",)),
        Control("weights-are-shared", "An effect that must show: one place with weights of its own is no convolution.",
                of("unshared", "local", (28,)), above=0.001, kind="always",
                guards=("convolution-is-local-mlp", "convolution-is-shared")),
    ),
    claims=(
        Claim("parameters-by-pixels", "A first layer has pixels x channels x units weights and a bias a unit.",
              "A, project", "identity", of("count_off", "counted", SIDES[:1]), below=0.5),
        Claim("explosion", "From 28 to 1,024 pixels a side an MLP's parameters grow more than a thousandfold.", "A",
              "always", of("parameters", "mlp", ENDS, "ratio"), above=1000.0,
              by_hand="a thousandfold counts as an explosion; the pixels are 1,337 times as many"),
        Claim("memory-as-predicted", "At 1,024 pixels a side memory is that of weights, gradients and images, to a "
              "tenth.", "project", "most", of("peak_memory", "mlp", ENDS[:1], over="predicted_memory"), above=0.9,
              below=1.1, by_hand="a tenth"),
        square("memory-by-pixels", "An MLP's memory grows with the pixels.",
               of("peak_memory", "mlp", LARGE, "log_slope")),
        square("time-by-pixels", "The time of an MLP's step grows with the pixels.",
               of("step_seconds", "mlp", LARGE, "log_slope")),
        Claim("convolution-does-not-grow", "The parameters of a convolution do not grow with the image.", "project",
              "identity", of("kernel_off", "counted", SIDES[:1]), below=0.5),
        square("convolution-memory-by-pixels", "Its memory does grow with the pixels.",
               of("peak_memory", "convolution", LARGE, "log_slope")),
        square("convolution-time-by-pixels", "The time of its step does grow with the pixels.",
               of("step_seconds", "convolution", LARGE, "log_slope")),
        Claim("convolution-is-local-mlp", "A convolution, ReLU and one of 1 x 1 are an MLP on every patch.",
              "B 7.4, Q5", "identity", of("as_patches", "local", (28,)), below=1e-10),  # a million roundings
        Claim("convolution-is-shared", "A convolution is one dense layer, whose weights are the same at every place.",
              "B 7.4, Q5", "identity", of("as_dense", "local", (28,)), below=1e-10),
        Claim("gradient-is-summed", "The gradient of the shared weights is the sum over all places.", "project",
              "identity", of("gradient", "local", (28,)), below=1e-10),
    ),
)  # fmt: skip
