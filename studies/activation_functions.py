"""Are the activations what is said of them: formulas, ranges, slopes, means, smoothness and cost?

Question. Document B (3.3, 7.1) tabulates eight activations, and both documents say where their slopes cap, which are
smooth, centred, clipped or cheap. Formula by formula this is mathematics; what it costs is measured.

Cost. A minute or two, universes fifteen to thirty, most of it for large tensors. What measures time runs alone, and its
numbers are not the same twice.

What to expect. B says once that sigmoid and tanh both cap at 0.25 (4.4) and once that both stay below 1 (8.1); but
1 - tanh^2 is 1 at 0. It says that GELU ranges over all reals; but z Phi(z) has a minimum. Tested is what is written.

The harness's own activations are held against the written formulas in arithmetic of 50 digits, their slopes against
differences of these over 1e-20. Errors are relative to 1 + |value|; 1e-13 is a thousand roundings of float64, and the
worst of these formulas (a slope that multiplies 1 - tanh^2 by 31) makes a hundred of one. Mathematics leaves no choice;
universes are of what outputs and times depend on. Times are CPU time of one thread as multiples of ReLU's, taken in
turns with it; a seed is a measurement of its own on the same machine. All was fixed before any run but smoke.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier, crossed
from research.design.task import Report
from research.training.config import TrainConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from research.publishing.results import Results
    from research.record.frames import Frames
    from research.training.activations import Activation

FAR, TAIL = 16.0, 10.0  # how far slopes are looked at; from where on an input counts as large
SELU = 1.6732632423543772  # the ELU's alpha in Klambauer and others (2017)
SCALES = {"normal": 1.0, "wide": 3.0, "heavy": 1.0}
RANGES = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, math.inf), "gelu": (-math.inf, math.inf)}  # B 3.3


def written(name: str) -> tuple[list[Callable[[Any], Any]], Callable[[Any], Any] | None]:
    """The formulas of an activation as the documents write them, and the derivative where they write one."""
    import mpmath as mp  # type: ignore[import-untyped, unused-ignore]

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + mp.exp(-z))

    table: Mapping[str, tuple[list[Callable[[Any], Any]], Callable[[Any], Any] | None]] = {
        "identity": ([lambda z: z], lambda z: 1),
        "sigmoid": ([sigmoid], lambda z: sigmoid(z) * (1 - sigmoid(z))),
        "tanh": ([lambda z: (mp.exp(z) - mp.exp(-z)) / (mp.exp(z) + mp.exp(-z)),
                  lambda z: (1 - mp.exp(-2 * z)) / (1 + mp.exp(-2 * z))], lambda z: 1 - mp.tanh(z) ** 2),
        "relu": ([lambda z: max(0, z)], lambda z: int(z > 0)),
        "leaky_relu": ([lambda z: max(mp.mpf("0.01") * z, z)], None),
        "prelu": ([lambda z: max(z / 4, z)], None),  # at the slope that it starts with
        "elu": ([lambda z: z if z > 0 else mp.exp(z) - 1], None),
        "silu": ([lambda z: z * sigmoid(z)], None),
        "gelu": ([lambda z: z * (1 + mp.erf(z / mp.sqrt(2))) / 2], None),
        "gelu-tanh": ([lambda z: z / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3)))], None),
        "relu6": ([lambda z: min(max(0, z), 6)], None),  # Howard and others (2017, 2019), as the next two
        "hardswish": ([lambda z: z * min(max(0, z + 3), 6) / 6], None),
        "hardswish-gate": ([lambda z: mp.mpf(min(max(0, z + 3), 6)) / 6], None),
    }  # fmt: skip
    return table[name]


def activation_of(name: str) -> Activation:
    """An activation of the harness, or one of torch's that it lacks."""
    import torch.nn.functional as F

    from research.training.activations import ACTIVATIONS, Activation

    more = {"gelu-tanh": lambda z: F.gelu(z, approximate="tanh"), "hardswish-gate": lambda z: F.relu6(z + 3) / 6}
    return Activation(more[name]) if name in more else ACTIVATIONS[name]


def evaluated(activation: Activation, z: Tensor) -> Tensor:
    import torch

    return activation.function(z, *(() if activation.slope is None else (torch.tensor(activation.slope),)))


def slopes_of(name: str, z: Tensor, order: int = 1) -> list[Tensor]:
    """First derivatives, up to some order, by autograd."""
    import torch

    leaf, found = z.clone().requires_grad_(), []
    value = evaluated(activation_of(name), leaf)
    for _ in range(order):
        (value,) = torch.autograd.grad(value.sum(), leaf, create_graph=True, materialize_grads=True)
        found.append(value.detach())
        if not value.requires_grad:
            value = value + 0 * leaf
    return found


def slopes_written_out(activation: Activation, z: Tensor) -> Tensor:
    """The slopes that the harness trains with, of an activation of which it has them written out."""
    assert activation.gradient is not None
    kept, gradient = z.clone(), z.new_ones(z.shape)
    output = kept if activation.in_place is not None else z.new_empty(z.shape)
    for call in [*activation.calls(kept, output), *activation.gradient(gradient, kept)]:
        call()
    return gradient


@dataclass(frozen=True)
class Formula(Task):
    """An activation of the harness against its written formula at 500 random inputs, and its slope at 200,000."""

    activation: str
    formula: str = ""  # that of another one, for a control
    imports: ClassVar[tuple[str, ...]] = ("torch", "mpmath")

    def identity(self, numerics: int) -> dict[str, object]:
        return {**super().identity(numerics), "numerics": numerics}

    def gives(self) -> Mapping[str, Metric]:
        within = "within 16 of 0"
        known = {
            "formula_difference": Metric(promised=True, label="difference from the written formula", cases="cases"),
            "slope_difference": Metric(promised=True, label="difference of the slope from finite differences",
                                       cases="cases",
                                       meaning="of the slopes of autograd, written out and in the documents"),
            "cases": Metric(promised=True, label="random inputs of the formula"),
            "largest_slope": Metric(promised=True, label="largest slope", meaning=within),
            "steepest_at": Metric(promised=True, label="distance from 0 of where it is steepest"),
            "tail_slope": Metric(promised=True, label="largest slope beyond 10 as a share of the largest"),
            "slope_jump": Metric(promised=True, label="largest jump of the first or second derivative",
                                 meaning=f"between inputs less than 0.00032 apart, {within}"),
            "zero_share": Metric(promised=True, label="share of negative inputs at which value or slope is 0"),
            "asymmetry": Metric(promised=True, label="largest |f(z) + f(-z)|"),
            "span": Metric(promised=True, label="largest minus smallest output", meaning="of inputs up to a million"),
            "z": Metric(by="place"), "output": Metric(by="place"), "slope": Metric(by="place"),
        }  # fmt: skip
        ends = {
            "range_error": Metric(promised=True, label="distance of the ends of its range from those written",
                                  meaning="after v / (1 + |v|), which brings infinity to 1"),
            "ends_reached": Metric(promised=True, label="random inputs at which an end of the range is reached"),
        }  # fmt: skip
        more = {"from_gelu": Metric(promised=True, label="largest difference from GELU")}
        return known | (ends if self.activation in RANGES else {}) | (more if self.activation == "gelu-tanh" else {})

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import mpmath as mp

        with mp.workdps(50):
            yield from map(self.replicate, seeds)

    def replicate(self, seed: int) -> Replicate:
        import mpmath as mp
        import torch

        rng, activation = stream(seed, "inputs of an activation"), activation_of(self.activation)
        draws = np.sort(rng.uniform(-8, 8, 500))
        z = torch.from_numpy(draws)
        exact, (formulas, derivative) = [mp.mpf(float(at)) for at in draws], written(self.formula or self.activation)
        step = mp.mpf(10) ** -20
        values = [[formula(at) for at in exact] for formula in formulas]
        slopes = [(formulas[0](at + step) - formulas[0](at - step)) / (2 * step) for at in exact]
        ours = [slopes_of(self.activation, z)[0].tolist()]
        if activation.gradient is not None:
            ours.append(slopes_written_out(activation, z).tolist())
        stated = [] if derivative is None else [[derivative(at) for at in exact]]
        value = evaluated(activation, z)
        found = {
            "formula_difference": max(difference(value.tolist(), one) for one in values),
            "slope_difference": max(difference(one, slopes) for one in (*ours, *stated)),
            "cases": float(len(draws)),
            "zero_share": share([not v * s for v, s, at in zip(values[0], slopes, draws, strict=True) if at < 0]),
        }
        grid = torch.from_numpy(np.append(FAR * (2 * (np.arange(200_000) + rng.random(200_000)) / 200_000 - 1), 0.0))
        grid = grid.sort().values
        first, second = slopes_of(self.activation, grid, 2)
        sizes, outputs = first.abs(), evaluated(activation, grid)
        found |= {
            "largest_slope": float(sizes.max()),
            "steepest_at": float(grid[sizes.argmax()].abs()),
            "tail_slope": float(sizes[grid.abs() >= TAIL].max() / sizes.max()),
            "slope_jump": max(float(each.diff().abs().max()) for each in (first, second)),
            "asymmetry": float((outputs + evaluated(activation, -grid)).abs().max()),
        }
        far = torch.from_numpy(10 ** rng.uniform(-3, 6, 10_000))
        ends = evaluated(activation, torch.cat((far, -far, grid, far.new_tensor([1e6, -1e6]))))
        low, high = float(ends.min()), float(ends.max())
        found["span"] = high - low
        if self.activation in RANGES:
            claimed = RANGES[self.activation]
            found["range_error"] = max(
                abs(squashed(a) - squashed(b)) for a, b in zip(claimed, (low, high), strict=True)
            )
            found["ends_reached"] = float(sum(v in claimed for v in values[0]))
        if self.activation == "gelu-tanh":
            found["from_gelu"] = float((outputs - evaluated(activation_of("gelu"), grid)).abs().max())
        shown = range(0, 500, 20)
        columns = {"z": draws.tolist(), "output": value.tolist(), "slope": ours[0]}
        profiles = {name: tuple((at // 20, column[at]) for at in shown) for name, column in columns.items()}
        return Replicate(seed, found, {}, profiles)


def difference(ours: Sequence[Any], exact: Sequence[Any]) -> float:
    """The largest error, relative to 1 + |value|."""
    return float(max(abs(a - b) / (1 + abs(b)) for a, b in zip(ours, exact, strict=True)))


def share(of: Sequence[bool]) -> float:
    return float(np.mean(of))


def squashed(value: float) -> float:
    return math.copysign(1.0, value) if math.isinf(value) else value / (1 + abs(value))


@dataclass(frozen=True)
class Outputs(Task):
    """The outputs of a million random inputs: their mean, and what is lost when they are rounded to 8 bits.

    The 256 steps reach from the least to the largest output of the first half, or to 0; the other half is rounded.
    """

    activation: str
    inputs: str = "normal"
    alpha: float = 1.0
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def gives(self) -> Mapping[str, Metric]:
        return {
            "mean_output": Metric(promised=True, label="mean output"),
            "mean_size": Metric(promised=True, label="size of the mean output"),
            "lost_in_8_bits": Metric(promised=True, unit="%", label="error of 8 bits",
                                     meaning="root mean square, as a share of that of the outputs"),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import torch

        for seed in seeds:
            rng = stream(seed, f"inputs, {self.inputs}")
            draws = {
                "uniform": lambda rng: rng.uniform(-1, 1, 10**6),
                "heavy": lambda rng: rng.standard_t(3, 10**6),
            }.get(self.inputs, lambda rng: SCALES[self.inputs] * rng.standard_normal(10**6))(rng)
            z = torch.from_numpy(draws)
            own = torch.nn.functional.elu(z, self.alpha) if self.activation == "elu" else None
            outputs = (evaluated(activation_of(self.activation), z) if own is None else own).numpy()
            seen, rounded = np.split(outputs, 2)
            low, high = min(seen.min(), 0), max(seen.max(), 0)
            step = (high - low) / 255
            error = np.clip(np.round((rounded - low) / step), 0, 255) * step + low - rounded
            mean, lost = float(outputs.mean()), float(np.sqrt((error**2).mean() / (rounded**2).mean()))
            yield Replicate(seed, {"mean_output": mean, "mean_size": abs(mean), "lost_in_8_bits": lost})


@dataclass(frozen=True)
class Timed(Task):
    """CPU time as a multiple of ReLU's, of medians of turns taken alternately, on one thread.

    Either of one activation as the harness computes it, forwards or with its gradient; or of a whole training step of
    its networks with that activation, 64-H-H-H-H-10 on 128 examples by gradient descent.
    """

    activation: str
    size: int = 262_144  # two pieces of 1 MB: in the cache of most processors
    passes: str = "forward"
    width: int = 0
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    @property
    def runs_alone(self) -> bool:
        return True

    @property
    def tolerance(self) -> float:
        return 1.0  # times are not the same twice

    def identity(self, numerics: int) -> dict[str, object]:
        return {**super().identity(numerics), "numerics": numerics}

    def gives(self) -> Mapping[str, Metric]:
        return {"times_relu": Metric(promised=True, label="time as a multiple of ReLU's")}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        from research.training.compute import prepare_process

        prepare_process()
        for seed in seeds:
            make = self.training_step if self.width else self.element_by_element
            turns = [make(name, seed) for name in (self.activation, "relu")]
            times: tuple[list[int], list[int]] = ([], [])
            for turn in range(20 if self.width else 200):
                for which in (0, 1) if turn % 2 else (1, 0):
                    ready, work = turns[which]
                    ready()
                    began = thread_time_ns()
                    work()
                    times[which].append(thread_time_ns() - began)
            yield Replicate(seed, {"times_relu": float(np.median(times[0]) / np.median(times[1]))})

    def element_by_element(self, name: str, seed: int) -> tuple[Callable[[], object], Callable[[], object]]:
        """What makes the operands ready, which is not timed, and what is timed."""
        import torch

        activation = activation_of(name.removesuffix("-twice"))
        assert activation.gradient is not None
        z = torch.from_numpy(stream(seed, "timed").standard_normal(self.size).astype(np.float32))
        kept, output, gradient = z.clone(), torch.empty_like(z), torch.ones_like(z)
        calls = list(activation.calls(kept, kept if activation.in_place is not None else output))
        calls += activation.gradient(gradient, kept) if self.passes == "both" else []
        calls *= 2 if name.endswith("-twice") else 1

        def work() -> None:
            for call in calls:
                call()

        return lambda: (kept.copy_(z), gradient.fill_(1.0)), work

    def training_step(self, name: str, seed: int) -> tuple[Callable[[], object], Callable[[], object]]:
        import torch

        from research.training.models import StackedMLP
        from research.training.optimizers import FlatOptimizer
        from research.training.passes import Batch, Scratch

        config = TrainConfig(dataset="digits", depth=4, width=self.width, activation=name, init="he", lr=1e-6)
        model, rng = StackedMLP(config, [seed]), stream(seed, "timed examples")
        inputs = torch.from_numpy(rng.standard_normal((1, 128, 64)).astype(np.float32))
        optimizer = FlatOptimizer(model.parameters(), config)
        batch = Batch(config, model, inputs, torch.from_numpy(rng.integers(0, 10, (1, 128))), 128, Scratch(inputs))

        def work() -> None:
            batch.run()
            optimizer.step()

        return lambda: None, work


SHOWN = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "silu", "gelu", "relu6", "hardswish")
TIMED = tuple(name for name in SHOWN if name not in ("identity", "prelu"))


def configure(activation: str, test: str, inputs: str, alpha: str, size: str, passes: str, width: int) -> Task:
    if test == "formula":
        return Formula("silu", "gelu") if activation == "silu-as-gelu" else Formula(activation)
    if test == "outputs":
        if activation == "uniform":
            return Outputs("identity", "uniform")
        return Outputs(activation, inputs, SELU if (activation, alpha) == ("elu", "selu") else 1.0)
    if test == "step":
        return Timed(activation, width=width)
    return Timed(activation, {"cached": 262_144, "large": 4_194_304}[size], passes)


def relu_mean(inputs: str, **levels: object) -> float:
    """The mean output of ReLU: half the mean size of its inputs."""
    return math.sqrt(3) / math.pi if inputs == "heavy" else SCALES[inputs] / math.sqrt(2 * math.pi)


def of(metric: str, *names: str, test: str = "formula", join: Any = "only", over: str = "") -> Number:
    return Number(metric, names, {"test": (test,)}, join if len(names) > 1 else "only", "only", over=over)


def cells(test: str, *names: str) -> tuple[Mapping[str, str], ...]:
    return tuple({"activation": name, "test": test} for name in names)


A = "A (ReLU Activation Function)"
ROUNDING = 1e-13
SLOPE_ERROR = 1e-9  # what is that near to an edge is at the edge: slopes at 0 are exact to rounding
EQUAL = "formulas-as-library", "derivatives-by-formula", "derivatives-by-differences"
TIMES = "relu-cheapest", "gelu-dearer", "gelu-slightly-dearer"
STEPS = "relu-cheaper-training", "gelu-slightly-dearer-training"
IN_8_BITS = "clipped-suit-int8", "relu6-better-in-int8", "hardswish-better-in-int8"
STUDY = Study(
    name="activation_functions",
    question="Are the activations what is said of them: formulas, ranges, slopes, means, smoothness and cost?",
    passage="A (Single-Layer Perceptron, Vanishing Gradient Problem, ReLU Activation Function), B 3.3, 4.4, 6.3, 7.1, "
    "8.1, 8.2",
    says="Sigmoid and tanh have flat tails and slopes that cap at a quarter, ReLU is a mere comparison, GELU and SiLU "
    "are smooth and slightly dearer, the outputs of ELU have mean zero, ReLU6 and Hardswish are clipped for int8.",
    configure=configure,
    same_as={  # the names inside comprehensions count no longer
        "fcc226675e1d0a4077473bd4533700b7bb9d6ff8e10af6943694997af01c24d0":
        "949427fe18b545e8064490d869a1cf913cec57394a8754aae9f515c874e187f7",
        "ef94cd75b76572c4ecd63d2dce09b2bd6e9b91f6165b61252046603252695577":
        "42f43cf7dfb0f0eb24f15836e921365d12f011810b0b53cc94cff8e95d6aafa9",
        "6f2a0d98f646814d5c675adcb7fe0ec8d3a55a285f4e905dff3b40f9b31eae57":
        "a38b16ed7302412a4638208719e22bbeff997bebe01e16387d586bd590d1c59c",
    },
    arms=Factor("activation", (*SHOWN, "gelu-tanh", "hardswish-gate"), words={
        "relu": "ReLU", "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU", "silu": "SiLU", "gelu": "GELU",
        "relu6": "ReLU6", "hardswish": "Hardswish", "gelu-tanh": "GELU by tanh", "hardswish-gate": "Hardswish's gate",
        "silu-as-gelu": "SiLU by GELU's formula", "uniform": "identity of uniform inputs", "relu-twice": "ReLU twice",
    }),
    blocks=(Factor("test", ("formula", "outputs", "time", "step")),),
    grids=(
        {"test": ("formula",)},
        {"test": ("outputs",), "activation": ("relu", "elu", "silu", "relu6", "hardswish")},
        {"test": ("time",), "activation": TIMED},
        {"test": ("step",), "activation": ("sigmoid", "tanh", "gelu")},
    ),
    choices=(
        Factor("inputs", ("normal", "wide", "heavy"), "kind of inputs", "with {} inputs", {"heavy": "heavy-tailed"}),
        Factor("alpha", ("one", "selu"), "ELU's alpha", "with an alpha of {}", {"one": "1", "selu": "1.67"}),
        Factor("size", ("cached", "large"), phrase="on tensors {}", words={"cached": "of 1 MB", "large": "of 16 MB"}),
        Factor("passes", ("forward", "both"), phrase="timed {}", words={"both": "both ways"}),
        Factor("width", (512, 64), phrase="in layers of {}"),
    ),
    universes=(
        *crossed(inputs=("normal", "wide", "heavy"), alpha=("one", "selu")),
        *crossed(size=("cached", "large"), passes=("forward", "both")),
        {"width": 64},
    ),
    universe_reasons="How inputs are spread, which decides means and what 8 bits lose (standard normal, three times as "
    "wide, Student's t of 3 degrees); ELU's alpha (1, 1.67); and what is timed. Formulas leave nothing "
    "open. Left out: other machines, float16, GPUs, and inputs that are not centred.",
    predictions={"relu_mean": relu_mean},
    tiers={"full": Tier(seeds=20, first_seed=200), "smoke": Tier(seeds=2, levels={"size": ("cached",)})},
    headline=("formula_difference", "mean_output", "times_relu"),
    controls=(
        Control("other-formula", "An effect that must show: SiLU is not GELU by their formulas.",
                of("formula_difference", "silu-as-gelu"), above=0.01, kind="always", guards=EQUAL,
                cells=cells("formula", "silu-as-gelu")),
        Control("other-slope", "An effect that must show: nor are their slopes the same.",
                of("slope_difference", "silu-as-gelu"), above=0.01, kind="always", guards=EQUAL),
        Control("identity-is-straight", "Exact: the identity has slope 1 in its tails as everywhere.",
                of("tail_slope", "identity"), above=1 - SLOPE_ERROR, below=1 + SLOPE_ERROR, kind="always",
                guards=("tails-are-flat", "sigmoid-slope-quarter", "tanh-slope-quarter", "saturating-slopes-below-one",
                        "sigmoid-steepest-at-zero")),
        Control("relu-has-a-kink", "An effect that must show: the slope of ReLU jumps by 1.",
                of("slope_jump", "relu"), above=1 - SLOPE_ERROR, below=1 + SLOPE_ERROR, kind="always",
                guards=("smooth-where-said",)),
        Control("relu-is-zero", "An effect that must show: ReLU is 0 for all negative inputs.",
                of("zero_share", "relu"), above=0.999, kind="always", guards=("negative-side-nonzero",)),
        Control("relu-reaches-its-end", "An effect that must show: ReLU reaches the lower end of its range.",
                of("ends_reached", "relu"), above=0.5, kind="always", guards=("ends-never-reached",)),
        Control("sigmoid-is-not-centred", "An effect that must show: the outputs of sigmoid at z and -z add up to 1.",
                of("asymmetry", "sigmoid"), above=0.999, kind="always", guards=("tanh-zero-centred",)),
        Control("mean-of-relu", "Exact: the mean output of ReLU is half the mean size of its inputs, to a percent.",
                of("mean_output", "relu", test="outputs", over="relu_mean"), above=0.99, below=1.01,
                guards=("elu-mean-zero", "elu-nearer-zero")),
        Control("uniform-in-8-bits", "Exact: of uniform numbers 8 bits lose 1 / 255, to 3 percent.",
                of("lost_in_8_bits", "uniform", test="outputs"), above=0.97 / 255, below=1.03 / 255, kind="always",
                guards=IN_8_BITS, cells=cells("outputs", "uniform")),
        Control("relu-takes-its-own-time", "An effect that must not show: ReLU takes as long as ReLU, to a tenth.",
                of("times_relu", "relu", test="time"), above=0.9, below=1.1, kind="most", guards=TIMES),
        Control("twice-takes-longer", "An effect that must show: ReLU twice takes more than one and a half times that.",
                of("times_relu", "relu-twice", test="time"), above=1.5, kind="most", guards=TIMES,
                cells=cells("time", "relu-twice")),
        Control("same-step-same-time", "An effect that must not show: steps with ReLU take as long, to a tenth.",
                of("times_relu", "relu", test="step"), above=0.9, below=1.1, kind="most", guards=STEPS,
                cells=cells("step", "relu")),
    ),
    claims=(
        Claim("formulas-as-library", "The written formulas of all activations are what the library computes.",
              "A, B 3.3, 7.1", "identity", of("formula_difference", *SHOWN, "gelu-tanh", join="max"), below=ROUNDING),
        Claim("derivatives-by-formula", "The derivatives are s(1 - s) of sigmoid, 1 - tanh² and, of ReLU, 1 for z > 0.",
              "B 3.3, 4.4, 6.3, 8.2, A", "identity", of("slope_difference", "sigmoid", "tanh", "relu", join="max"),
              below=ROUNDING),
        Claim("derivatives-by-differences", "The slopes of all activations are those of finite differences.",
              "project", "identity", of("slope_difference", *SHOWN, "gelu-tanh", join="max"), below=ROUNDING),
        Claim("gelu-by-tanh", "GELU is about 0.5 z (1 + tanh(√(2/π)(z + 0.044715 z³))).", "B 3.3", "identity",
              of("from_gelu", "gelu-tanh"), below=0.001, by_hand="a thousandth counts as about the same"),
        Claim("ranges", "Sigmoid ranges from 0 to 1, tanh from -1 to 1, ReLU from 0 to infinity.", "B 3.3, A",
              "identity", of("range_error", "sigmoid", "tanh", "relu", join="max"), below=1e-5),
        Claim("ends-never-reached", "Sigmoid and tanh never reach the ends of their ranges.", "B 3.3", "always",
              of("ends_reached", "sigmoid", "tanh", join="max"), below=0.5),
        Claim("range-of-gelu", "GELU ranges from minus infinity to infinity.", "B 3.3", "identity",
              of("range_error", "gelu"), below=1e-5),
        Claim("sigmoid-slope-quarter", "The largest slope of sigmoid is 0.25.", "A, B 4.4, 6.3, 8.1, Q2", "always",
              of("largest_slope", "sigmoid"), above=0.25 - SLOPE_ERROR, below=0.25 + SLOPE_ERROR),
        Claim("sigmoid-steepest-at-zero", "Sigmoid is steepest where its input is 0.", "A", "always",
              of("steepest_at", "sigmoid"), below=0.001),
        Claim("tanh-slope-quarter", "The slope of tanh caps at 0.25.", "B 4.4", "always",
              of("largest_slope", "tanh"), below=0.25 + SLOPE_ERROR),
        Claim("saturating-slopes-below-one", "The slopes of sigmoid and tanh stay below 1.", "B 8.1", "always",
              of("largest_slope", "sigmoid", "tanh", join="max"), below=1 - SLOPE_ERROR),
        Claim("tails-are-flat", "The tails of sigmoid and tanh are nearly flat.", "A, B 3.3, 6.3", "identity",
              of("tail_slope", "sigmoid", "tanh", join="max"), below=0.01,
              by_hand="from 10 on a hundredth of the largest slope counts as nearly flat"),
        # gaps are below 0.00032, second and third derivatives of these three below 1; a kink has a jump of its own size
        Claim("smooth-where-said", "Sigmoid, GELU and SiLU are smooth, and so are their slopes.", "A, B 3.3, 7.1, 8.2",
              "identity", of("slope_jump", "sigmoid", "gelu", "silu", join="max"), below=0.001),
        Claim("negative-side-nonzero", "GELU and SiLU are not zero for negative inputs, nor are their slopes.", "B 8.2",
              "identity", of("zero_share", "gelu", "silu", join="max"), below=1e-9),
        Claim("tanh-zero-centred", "Tanh is zero-centred: it is odd.", "B 3.3", "identity", of("asymmetry", "tanh"),
              below=ROUNDING),
        Claim("elu-mean-zero", "The outputs of ELU have mean zero.", "B 7.1", "mean",
              of("mean_output", "elu", test="outputs"), above=-0.02, below=0.02,
              by_hand="a fiftieth of the spread of normal inputs counts as zero"),
        Claim("elu-nearer-zero", "The mean output of ELU is nearer to zero than that of ReLU.", "project", "most",
              of("mean_size", "elu", "relu", test="outputs", join="ratio"), below=1.0),
        Claim("relu6-is-clipped", "ReLU6 is clipped: its outputs are bounded.", "B 6.3", "always",
              of("span", "relu6"), below=100),  # of inputs up to a million; any bound would do
        Claim("hardswish-is-clipped", "Hardswish is clipped: its outputs are bounded.", "B 6.3", "always",
              of("span", "hardswish"), below=100),
        Claim("hardswish-gate-is-clipped", "What Hardswish multiplies its input by is bounded.", "B 6.3", "always",
              of("span", "hardswish-gate"), below=100),
        Claim("clipped-suit-int8", "Rounded to 8 bits, ReLU6 and Hardswish lose less than a percent.", "B 6.3", "most",
              of("lost_in_8_bits", "relu6", "hardswish", test="outputs", join="max"), below=0.01,
              by_hand="a percent of the outputs counts as little"),
        Claim("relu6-better-in-int8", "In 8 bits ReLU6 loses less than ReLU.", "B 6.3", "most",
              of("lost_in_8_bits", "relu6", "relu", test="outputs", join="ratio"), below=1.0),
        Claim("hardswish-better-in-int8", "In 8 bits Hardswish loses less than SiLU.", "B 6.3", "most",
              of("lost_in_8_bits", "hardswish", "silu", test="outputs", join="ratio"), below=1.0),
        Claim("relu-cheapest", "ReLU takes less time than sigmoid, tanh and GELU.", "A, B 3.3", "most",
              of("times_relu", "sigmoid", "tanh", "gelu", test="time", join="min"), above=1.0),
        Claim("gelu-dearer", "GELU takes more time than ReLU.", "B 3.3", "most",
              of("times_relu", "gelu", test="time"), above=1.0),
        Claim("gelu-slightly-dearer", "GELU is only slightly more expensive than ReLU, number by number.", "B 3.3",
              "most", of("times_relu", "gelu", test="time"), below=2.0, by_hand="less than twice counts as slightly"),
        Claim("gelu-slightly-dearer-training", "A training step with GELU is only slightly more expensive.", "B 3.3",
              "most", of("times_relu", "gelu", test="step"), below=1.1, by_hand="less than a tenth counts as slightly"),
        Claim("relu-cheaper-training", "Training with ReLU is dramatically cheaper than with sigmoid or tanh.", A,
              "most", of("times_relu", "sigmoid", "tanh", test="step", join="min"), above=1.5,
              by_hand="a third of the time saved counts as dramatically cheaper"),
    ),
)  # fmt: skip
CAPTIONS = {
    "functions": "Each activation (blue) and its slope (orange, dashed) at random inputs of all seeds; written is "
    "the largest slope that was found. Where the dashed line jumps or bends sharply a function is not smooth.",
    "times": "Time as a multiple of ReLU's, a dot a measurement: number by number, forwards, and of a whole training "
    "step of four layers of 512 units. The bar is the median; on the dashed line is what takes as long as ReLU.",
}


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    words = STUDY.arms.words
    places, runs = tables.profiles, tables.runs
    functions, panels = plt.subplots(3, 4, figsize=(7.4, 5.2), sharex=True, sharey=True)
    for ax, name in zip(panels.flat, SHOWN, strict=False):
        rows = places[places["activation"] == name].sort_values("z")
        ax.plot(rows["z"], rows["output"], color="#0173b2")
        ax.plot(rows["z"], rows["slope"], color="#de8f05", linestyle="--")
        steepest = runs.loc[(runs["activation"] == name) & (runs["test"] == "formula"), "largest_slope"].max()
        ax.text(0.04, 0.9, f"steepest: {steepest:.3g}", fontsize=7.5, transform=ax.transAxes)
        ax.set_title(words.get(name, name))
        ax.set_xlim(-5, 5)
        ax.set_ylim(-1.3, 3.2)
    panels.flat[-1].set_axis_off()
    functions.supxlabel("input", fontsize=9)
    times, pair = plt.subplots(1, 2, figsize=(7.4, 2.9))
    for ax, test, title in zip(pair, ("time", "step"), ("number by number", "a training step"), strict=True):
        rows = runs[(runs["test"] == test) & (runs["activation"] != "relu-twice")]
        names = [name for name in TIMED if name in set(rows["activation"])]
        for place, name in enumerate(names):
            found = rows.loc[rows["activation"] == name, "times_relu"].to_numpy()
            ax.plot(found, place + np.linspace(-0.2, 0.2, len(found)), "o", color="#0173b2", alpha=0.5, markersize=3)
            ax.plot([np.median(found)] * 2, [place - 0.3, place + 0.3], color="black")
        ax.axvline(1, color="black", linestyle="--", linewidth=0.8)
        ax.set_yticks(range(len(names)), [words.get(name, name) for name in names])
        ax.invert_yaxis()
        ax.set_title(title)
        ax.set_xlabel("multiple of ReLU's time")
    pair[0].set_xscale("log")
    return {"functions": functions, "times": times}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    from research.publishing.prose import between, listing, number

    assert found.universe_runs is not None
    times = found.runs.groupby(["test", "activation"])["times_relu"].median()
    dearer = listing(f"{number(times['time', name])} times ({STUDY.arms.words.get(name, name)})"
                     for name in ("sigmoid", "tanh", "gelu"))  # fmt: skip
    steps, kinds = times["step"].drop("relu"), STUDY.choices[0].words
    narrow = found.universe_runs.query("test == 'step' and width == 64 and activation == 'gelu'")["times_relu"].median()
    outputs = found.universe_runs.query("test == 'outputs' and alpha == 'one'")
    lost = outputs.groupby(["inputs", "activation"])["lost_in_8_bits"].median()
    relu6 = listing(f"{number(lost[at, 'relu6'] / lost[at, 'relu'])} ({kinds.get(at, at)})" for at in SCALES)
    return f"""
### What to conclude

**Two bounds on one slope.** Document B bounds the slope of tanh in two places, and both are wrong where its own formula
is right: it reaches {number(found.runs.query("activation == 'tanh'")["largest_slope"].max())} at zero. The bound on
sigmoid is exact. GELU is not unbounded below: it turns where its slope is zero.

**Centred.** The mean of ELU's outputs depends on its inputs and its alpha. Of normal inputs it is nearer to zero than
that of ReLU but not zero with the customary alpha; with the SELU's it is, which was chosen so.

**Cost.** Number by number ReLU is by far the cheapest: others take {dearer} as long. Of a training step in wide layers
products take nearly all; there others take {between(steps.min(), steps.max())} times as long as ReLU. So a comparison
is cheap, and training is not dramatically cheaper for it. In narrow layers a step with GELU takes {number(narrow)}
times as long. How long tanh takes says more of the library than of tanh: NumPy's is about as fast as sigmoid here.

**Int8.** What ReLU6 loses in eight bits, as a multiple of what ReLU loses, depends on its inputs: {relu6}. As long as
none passes its bound the two are the same function. Hardswish is clipped in its gate alone, so its outputs have no
bound. Where zero is rounded to a whole step, as in libraries, SiLU's lead is smaller and still there.
"""
