"""Does one hidden layer come close to any continuous function, with which activations, and does a deep narrow network?

Question. Both documents tell the universal approximation theorem: with enough units one hidden layer approximates any
continuous function, if its activation is nonlinear (A), sigmoid-like or no polynomial (B 4.3). Later versions let depth
grow instead, with layers slightly wider than the input.

Cost. Full tier: 92 cells of networks whose output weights are solved for, most of the time for 1,024 units, and two
that are trained.

What to expect. The theorem says that such a network exists, so it is sought as well as can be: hidden units are drawn
at random and the output weights are solved for. What is found exists; what is not found might, so a claim about 1,024
units says no more than that. The other side rests on bounds: with a polynomial of degree k a network is a polynomial of
degree k at any width, of which linear programming gives the least error there is; and a line with n kinks parts from a
curve by its curvature.

Targets are random and continuous, on [-1, 1] or its square, scaled to a range of 1: five of the seed's own in each
replicate, of which the worst counts. As close as wanted is a twentieth of the range: 1,024 units are 32 a direction
where there are two inputs. Deep and narrow networks are built by hand: a layer has the inputs, the sum so far and one
hinge, so that n layers hold what n units do. Whether descent finds what exists is asked of two networks beside that.
All sizes and regions were fixed before any run but smoke.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig
from research.training.data_functions import Arrays, by_function

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from research.record.frames import Frames

Array = np.ndarray
Function = Callable[[Array], Array]

WIDTHS = (16, 64, 256, 1024)
SIGMOID_LIKE = ("sigmoid", "tanh", "arctan", "clipped")
OTHERS = ("relu", "gelu", "abs", "sine", "bump")
POLYNOMIALS = {"square": 2, "cube": 3}
CLOSE = 0.05
TARGETS = 5  # a replicate
POINTS = {1: 4097, 2: 65}  # along each input: four for each unit
PENALTIES = (1e-11, 1e-8, 1e-5, 1e-2)  # without one, kinks fall between points and what is there is off
WINDOW = 0.02  # of the inputs, where a curve bends most
ERROR = (0.0, math.inf)


def activated(name: str, z: Array) -> Array:
    from scipy.special import erf, expit

    functions: Mapping[str, Function] = {
        "sigmoid": expit, "tanh": np.tanh, "arctan": np.arctan, "clipped": lambda z: np.clip(z, -1, 1),
        "relu": lambda z: np.maximum(z, 0), "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2, "abs": np.abs,
        "sine": np.sin, "bump": lambda z: np.exp(-(z**2)), "square": lambda z: z**2, "cube": lambda z: z**3,
    }  # fmt: skip
    return functions[name](z)


def directions(rng: np.random.Generator, count: int, inputs: int) -> Array:
    """Unit vectors [D, count]."""
    found = rng.standard_normal((inputs, count))
    unit: Array = found / np.linalg.norm(found, axis=0)
    return unit


@dataclass(frozen=True)
class Target:
    """A random continuous function of [N, D] points: waves of cosines, or the larger of planes less another such."""

    kind: str
    inputs: int
    rng: np.random.Generator

    def waves(self) -> tuple[Array, Array, Array]:
        """Frequencies [D, K], phases and sizes [K]: up to three half-turns a unit, or Weierstrass's, each in three."""
        rng, count = self.rng, 6
        along, phases = directions(rng, count, self.inputs), rng.uniform(0, 2 * math.pi, count)
        if self.kind == "smooth":
            return math.pi * rng.uniform(0, 3, count) * along, phases, rng.standard_normal(count)
        powers = np.arange(count)  # 0.6 times 3 is above 1: with all powers it has no slope anywhere
        return math.pi * 3.0**powers * along, phases, 0.6**powers

    def made(self) -> tuple[Function, Function]:
        """The function, and its second derivative where there is one input; 0 for planes."""
        if self.kind == "kinked":
            planes = self.rng.standard_normal((2, self.inputs + 1, 6))
            (rise, level), (fall, depth) = ((each[:-1], 0.5 * each[-1]) for each in planes)
            return lambda x: (x @ rise + level).max(1) - (x @ fall + depth).max(1), lambda x: np.zeros(len(x))
        along, phases, sizes = self.waves()
        bend = -(along**2).sum(0) * sizes
        return lambda x: np.cos(x @ along + phases) @ sizes, lambda x: np.cos(x @ along + phases) @ bend


def places(inputs: int, between: bool = False) -> Array:
    """A grid of points [N, D], or the points half way between."""
    line = np.linspace(-1, 1, POINTS[inputs])
    line = (line[1:] + line[:-1]) / 2 if between else line
    return np.stack(np.meshgrid(*[line] * inputs, indexing="ij"), -1).reshape(-1, inputs)


@dataclass(frozen=True)
class Solved(Task):
    """One hidden layer of random units whose output weights are solved for, for each of five random targets.

    They have the least squares on a grid, with a penalty on their size of those in PENALTIES that leaves the smallest
    largest error, there and half way between: a network is sought that is close, and none is trained.

    Unit k is f(s_k (u_k x - t_k)): a random direction, a place from -sqrt(D) to sqrt(D), and a steepness from 2 to 50,
    evenly on a logarithmic scale ("gentle": 0.5 to 5). With `stacked` layers of D + 2 units hold the same function.
    """

    activation: str
    width: int
    inputs: int
    targets: str = "smooth"
    units: str = "varied"
    stacked: bool = False

    imports: ClassVar[tuple[str, ...]] = ("scipy.linalg", "scipy.optimize")
    words: ClassVar[Mapping[str, str]] = {"targets": "kind of targets", "units": "steepness of units"}

    def seconds(self, num_seeds: int) -> float:
        return num_seeds * (0.05 + 1.5e-6 * self.width**2)

    def gives(self) -> Mapping[str, Metric]:
        share = "as a share of the range of the target, the worst of five"
        known = {"sup_error": Metric("largest error", share, promised=True)}
        if self.activation in POLYNOMIALS or (self.activation, self.inputs) == ("relu", 1):
            known["least_possible"] = Metric(
                "bound below the largest error that any such network has", "the largest of five targets", promised=True
            )
            known["above_possible"] = Metric("largest error above the bound", "the least of five", promised=True)
        if self.activation in POLYNOMIALS:
            known["from_polynomial"] = Metric("difference from the polynomial of least squares", promised=True)
        if self.stacked:
            known["from_one_layer"] = Metric("difference between many narrow layers and one wide one", promised=True)
        return known | {name: Metric(by="place") for name in ("target", "fit") if self.inputs == 1}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for done, seed in enumerate(seeds):
            report(done / len(seeds))
            yield self.replicate(seed)

    def hidden(self, seed: int) -> tuple[Array, Array]:
        """Weights [D, H] and biases [H] of the units."""
        rng = stream(seed, f"units, {self.inputs} inputs")
        low, high = (0.5, 5) if self.units == "gentle" else (2, 50)
        steep = np.exp(rng.uniform(math.log(low), math.log(high), self.width))
        reach = math.sqrt(self.inputs)
        along = directions(rng, self.width, self.inputs)
        return steep * along, -steep * rng.uniform(-reach, reach, self.width)

    def replicate(self, seed: int) -> Replicate:
        from scipy.linalg import lstsq

        rng = stream(seed, f"targets, {self.targets}, {self.inputs} inputs")
        functions = [Target(self.targets, self.inputs, rng).made() for _ in range(TARGETS)]
        grid, between = places(self.inputs), places(self.inputs, between=True)
        values, truth = (np.column_stack([f(x) for f, _ in functions]) for x in (grid, between))
        least, span = values.min(0), np.ptp(values, 0)
        values, truth = (values - least) / span, (truth - least) / span
        weights, biases = self.hidden(seed)

        def units(x: Array) -> Array:
            return np.column_stack([np.ones(len(x)), activated(self.activation, x @ weights + biases)])

        features = units(grid)
        sizes = np.linalg.norm(features, axis=0)
        sizes[sizes == 0] = 1  # of a unit that is off everywhere
        solutions = [each / sizes[:, None] for each in ridge(features / sizes, values, PENALTIES)]
        everywhere, true = np.vstack([features, units(between)]), np.vstack([values, truth])
        errors = np.stack([abs(everywhere @ output - true).max(0) for output in solutions])
        output = np.column_stack([solutions[best][:, k] for k, best in enumerate(errors.argmin(0))])
        fits = everywhere @ output
        if self.stacked:
            wide, fits = fits, narrow(np.vstack([grid, between]), weights, biases, output)
        worst = abs(fits - true).max(0)
        found = {"sup_error": float(worst.max())}
        if self.activation in POLYNOMIALS:
            degree = POLYNOMIALS[self.activation]
            powers = monomials(grid, degree)
            direct = powers @ lstsq(powers, values, lapack_driver="gelsy")[0]
            found["from_polynomial"] = float(abs(direct - features @ solutions[0]).max())
            some = slice(None, None, max(1, len(grid) // 500))
            bounds = np.array([least_error(powers[some], values[some, k]) for k in range(TARGETS)])
        elif "least_possible" in self.gives():
            bounds = np.array([kink_bound(bend, self.width) for _, bend in functions]) / span
        if "least_possible" in self.gives():
            found |= {"least_possible": float(bounds.max()), "above_possible": float((worst - bounds).min())}
        if self.stacked:
            found["from_one_layer"] = float(abs(fits - wide).max())
        shown = range(0, len(grid), len(grid) // 128)
        drawn = {"target": values[:, 0], "fit": fits[: len(grid), 0]} if self.inputs == 1 else {}
        return Replicate(seed, found, {}, {name: tuple((k // 32, float(column[k])) for k in shown)
                                           for name, column in drawn.items()})  # fmt: skip


def ridge(features: Array, values: Array, penalties: Sequence[float]) -> list[Array]:
    """The weights [K, T] with the least squared error for values [N, T] plus each penalty times their squares."""
    from scipy.linalg import eigh

    strength, along = eigh(features.T @ features)
    seen = along.T @ (features.T @ values)
    return [along @ (seen / (strength.clip(min=0) + penalty)[:, None]) for penalty in penalties]


def monomials(x: Array, degree: int) -> Array:
    """All products of powers of inputs [N, D] up to a degree, [N, K]."""
    exponents = [e for e in np.ndindex(*[degree + 1] * x.shape[1]) if sum(e) <= degree]
    return np.column_stack([np.prod(x ** np.array(e), axis=1) for e in exponents])


def least_error(features: Array, values: Array) -> float:
    """The smallest largest error that any sum of features [N, K] has for values [N], by linear programming."""
    from scipy.optimize import linprog

    ones = np.ones((len(features), 1))
    above, below = np.hstack([features, -ones]), np.hstack([-features, -ones])
    cost = np.append(np.zeros(features.shape[1]), 1.0)
    found = linprog(cost, np.vstack([above, below]), np.concatenate([values, -values]), bounds=(None, None))
    return float(found.fun or 0)


def kink_bound(bend: Function, kinks: int) -> float:
    """What the largest error of a line with so many kinks is above, by the second derivative of a curve.

    In a window of length L some piece is L / (kinks + 1) long. Where the second derivative is m at least, a straight
    piece of length h is off by m h² / 16 at least. Half of it, since m is taken on a grid.
    """
    x = np.linspace(-1, 1, 2001)
    steepest = float(np.clip(x[abs(bend(x[:, None])).argmax()], -1 + WINDOW / 2, 1 - WINDOW / 2))
    near = np.linspace(steepest - WINDOW / 2, steepest + WINDOW / 2, 201)
    return float(0.5 * abs(bend(near[:, None])).min() * (WINDOW / (kinks + 1)) ** 2 / 16)


def narrow(x: Array, weights: Array, biases: Array, output: Array) -> Array:
    """What one hidden layer of ReLU computes, by layers of D + 2 units that each have one of its hinges.

    A layer carries the inputs, moved to be positive, and adds the hinge of the layer before to the sum so far. Of each
    column of `output` [1 + H, K]; the sum is kept positive by what it cannot be below.
    """
    found = []
    for constant, *factors in output.T:
        carried, total, hinge, last = x + 1, np.zeros(len(x)), np.zeros(len(x)), 0.0
        lift = float(sum(abs(factor) for factor in factors) * (abs(x @ weights + biases).max()))
        total = total + lift
        for column, bias, factor in zip(weights.T, biases, factors, strict=True):
            state = np.column_stack([carried, total + last * hinge, carried @ column + bias - column.sum()])
            state = np.maximum(state, 0)
            carried, total, hinge, last = state[:, :-2], state[:, -2], state[:, -1], factor
        found.append(total + last * hinge - lift + constant)
    return np.column_stack(found)


@dataclass(frozen=True)
class OneUnitWide(Task):
    """A thousand random networks of up to 16 layers of one ReLU unit on one input: how far each is from monotone."""

    width: int = 1

    def gives(self) -> Mapping[str, Metric]:
        return {"turns_back": Metric("least of what a network rises and falls in all", promised=True)}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            rng, most = stream(seed, "one unit wide"), 0.0
            for _ in range(1000):
                x = np.tile(np.linspace(-1, 1, 501)[:, None], self.width)
                for _ in range(rng.integers(1, 17)):
                    x = np.maximum(x @ rng.standard_normal((self.width,) * 2) + rng.standard_normal(self.width), 0)
                steps = np.diff(x.sum(1))
                most = max(most, min(float(steps.clip(min=0).sum()), float(-steps.clip(max=0).sum())))
            yield Replicate(seed, {"turns_back": most})


def a_target() -> Arrays:
    """The target of the trained networks: a smooth one, the first of seed 0."""
    function, _ = Target("smooth", 1, stream(0, "targets, smooth, 1 inputs")).made()
    x, between = np.linspace(-1, 1, 1024)[:, None], np.linspace(-1, 1, 4096)[:, None]
    values, truth = function(x), function(between)
    low, span = values.min(), np.ptp(values)
    return Arrays(x, (values - low) / span, between, (truth - low) / span, source="a random smooth curve")


def configure(width: int, activation: str, inputs: int, way: str, targets: str, units: str, optimizer: str) -> Task:
    if way == "one-unit":
        return OneUnitWide()
    if way in ("solved", "stacked"):
        return Solved(activation, width, inputs, targets, units, way == "stacked")
    narrow = way == "trained-stacked"
    return TrainConfig(
        dataset=by_function(a_target), output="raw", loss="mse_mean", activation=activation,
        depth=width if narrow else 1, width=inputs + 2 if narrow else width, init="he" if narrow else "default",
        optimizer=optimizer, lr={"adam": 0.001, "sgd": 0.01}[optimizer],  # as in width_sine
        batch_size=128, steps=10_000, evaluate_every=1000,
    )  # fmt: skip


def at(metric: str, width: int, *activations: str, inputs: tuple[int, ...] = (1, 2), way: str = "solved",
       join: str = "max") -> Number:  # fmt: skip
    blocks = {"activation": activations, "inputs": inputs, "way": (way,)}
    join = "only" if len(activations) * len(inputs) == 1 else join
    return Number(metric, (width,), blocks, "only", join, ERROR)  # type: ignore[arg-type]


def always(name: str, text: str, passage: str, number: Number, above: float = -math.inf, below: float = CLOSE) -> Claim:
    by_hand = "a twentieth of the range counts as close" if CLOSE in (above, below) else ""
    return Claim(name, text, passage, "always", number, above, below, by_hand=by_hand)


STUDY = Study(
    name="universal_approximation",
    question="Does one hidden layer come close to any continuous function, and do many narrow ones?",
    passage="A (Universal Approximation Theorem), B 4.3",
    says="One hidden layer with enough units comes as close as wanted to any continuous function. Its activation must "
    "be nonlinear, sigmoid-like, or no polynomial. Layers slightly wider than the input do as well, if depth may grow. "
    "Enough is not a number: where 1,024 units do not come close, more may, and the theorem stands.",
    configure=configure,
    same_as={  # the names inside comprehensions count no longer
        "5f3bd647082e91e7d13943477c235447544ca785eef3a602f2726d8d77b7f614":
        "30fb4373a7ce8940e186fa4fdf8d13c7b5496b648ef7cbb5eb0839fe76c803f5",
    },
    arms=Factor("width", WIDTHS, "units"),
    blocks=(
        Factor("activation", (*SIGMOID_LIKE, *OTHERS, *POLYNOMIALS), words={"clipped": "clipped line"}),
        Factor("inputs", (1, 2)),
        Factor("way", ("solved", "stacked", "trained", "trained-stacked"), "way of making it", words={
            "solved": "one layer", "stacked": "narrow layers", "trained": "one layer, trained",
            "trained-stacked": "narrow layers, trained"}),
    ),
    grids=(
        {"way": ("solved",)},
        {"way": ("stacked",), "activation": ("relu",), "width": (64, 1024)},
        {"way": ("trained", "trained-stacked"), "activation": ("relu",), "width": (64,), "inputs": (1,)},
    ),
    choices=(
        Factor("targets", ("smooth", "kinked", "rough"), phrase="on {} targets"),
        Factor("units", ("varied", "gentle"), "steepness of units", "with {} units"),
        Factor("optimizer", ("adam", "sgd")),
    ),
    universes=({"targets": "kinked"}, {"targets": "rough"}, {"units": "gentle"}, {"optimizer": "sgd"}),
    universe_reasons="What the documents leave open, each alone: kinked targets, and rough ones, which bend at "
    "every scale down to what the grid can show; hidden units that are less steep; and the optimiser of the trained "
    "networks. Left out: more inputs, activations that jump, and other ways of drawing hidden units.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, levels={"width": (16, 64), "activation": ("sigmoid", "relu", "cube"),
                                       "way": ("solved", "stacked")}),
    },
    headline=("sup_error",),
    controls=(
        Control("polynomial-at-any-width", "Exact: a network of cubes is the polynomial of least squares.",
                at("from_polynomial", 1024, *POLYNOMIALS), below=1e-6, kind="always",
                guards=("any-nonlinear", "polynomial-plateaus")),
        Control("never-below-possible", "Exact: no network is closer than the bound for its kind.",
                at("above_possible", 1024, *POLYNOMIALS, join="min"), above=-1e-6, kind="always",
                guards=("any-nonlinear", "polynomial-plateaus")),
        Control("never-below-kinks", "Exact: nor are 1,024 hinges closer than the curvature of the target allows.",
                at("above_possible", 1024, "relu", inputs=(1,)), above=0.0, kind="always", guards=("perfect-fit",)),
        Control("few-units-miss", "An effect that must show: 16 units are too few for two inputs.",
                at("sup_error", 16, *SIGMOID_LIKE, *OTHERS, inputs=(2,), join="min"), above=CLOSE, kind="always",
                guards=("two-inputs", "sigmoid-like-can", "non-polynomial-can")),
        Control("one-unit-is-monotone", "Exact: layers as narrow as the one input only rise or only fall.",
                at("turns_back", 16, "relu", inputs=(1,), way="one-unit"), below=1e-9, kind="always",
                guards=("deep-and-narrow",),
                cells=({"width": 16, "activation": "relu", "inputs": 1, "way": "one-unit"},)),
        Control("as-one-layer", "Exact: narrow layers compute what the one layer does that they were made of.",
                at("from_one_layer", 1024, "relu", way="stacked"), below=1e-3, kind="always",
                guards=("deep-and-narrow",)),
    ),
    claims=(
        always("one-input", "One hidden layer of 1,024 units comes close to any of the functions of one input.",
               "A, B 4.3, 6.4", at("sup_error", 1024, "sigmoid", "relu", inputs=(1,))),
        always("two-inputs", "One hidden layer of 1,024 units comes close to any of the functions of two inputs.",
               "A, B 4.3", at("sup_error", 1024, "sigmoid", "relu", inputs=(2,))),
        always("as-wanted", "The wider it is the closer it comes.", "A, B 4.3", Number(
            "sup_error", WIDTHS, {"activation": ("sigmoid", "relu"), "inputs": (1, 2), "way": ("solved",)}, "log_slope",
            "max", ERROR), below=0.0),
        always("sigmoid-like-can", "1,024 units with bounded, increasing and continuous activations come close.",
               "B 4.3", at("sup_error", 1024, *SIGMOID_LIKE)),
        always("non-polynomial-can", "1,024 units with other activations that are no polynomials come close.", "B 4.3",
               at("sup_error", 1024, *OTHERS)),
        always("any-nonlinear", "It is enough that the activation is nonlinear: squares and cubes can come close too.",
               "A", at("least_possible", 1024, *POLYNOMIALS)),
        always("polynomial-plateaus", "No network of polynomial units comes close, however wide.", "B 4.3",
               at("least_possible", 1024, *POLYNOMIALS, join="min"), above=CLOSE, below=math.inf),
        always("perfect-fit", "Some network of 1,024 ReLU units is the curve perfectly.", "A",
               at("least_possible", 1024, "relu", inputs=(1,)), below=1e-12),
        always("deep-and-narrow", "Layers of two units more than inputs come close, if there are 1,024.", "A",
               at("sup_error", 1024, "relu", way="stacked")),
        Claim("trained-one-layer", "Trained by Adam, one layer of 64 units comes close to a smooth curve.", "project",
              "most", at("steady_test_sup_error", 64, "relu", inputs=(1,), way="trained"), below=CLOSE,
              by_hand="a twentieth of the range counts as close"),
        Claim("trained-narrow", "Trained by Adam, 64 layers of three units come close to a smooth curve.", "project",
              "most", at("steady_test_sup_error", 64, "relu", inputs=(1,), way="trained-stacked"), below=CLOSE,
              by_hand="a twentieth of the range counts as close"),
    ),
)  # fmt: skip
CAPTIONS = {
    "errors": "Largest error of networks whose output weights were solved for, as a share of the range of the worst of "
    "five random targets, against the number of units: the median over seeds, the bar from the least to the largest. "
    "Polynomials in grey, with the bound below their error dotted; below the dashed line a network is close.",
    "fits": "The first target of the first seed (grey) and what networks of one input make of it (blue).",
}
COLOURS = {name: colour for names, colours in ((SIGMOID_LIKE, ("#0173b2", "#029e73", "#56b4e9", "#ca9161")),
                                               (OTHERS, ("#d55e00", "#de8f05", "#cc78bc", "#8c564b", "#ece133")),
                                               (POLYNOMIALS, ("0.2", "0.6")))
           for name, colour in zip(names, colours, strict=True)}  # fmt: skip


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    runs = tables.runs[tables.runs["way"] == "solved"]
    errors, pair = plt.subplots(1, 2, figsize=(7.4, 3.9), sharey=True)
    for ax, inputs in zip(pair, (1, 2), strict=True):
        for name in COLOURS:
            rows = runs[(runs["inputs"] == inputs) & (runs["activation"] == name)].groupby("width")
            low, middle, high = (getattr(rows["sup_error"], how)() for how in ("min", "median", "max"))
            look = {"color": COLOURS[name], "linestyle": "--" if name in POLYNOMIALS else "-"}
            ax.errorbar(middle.index, middle, [middle - low, high - middle], marker="o", markersize=3, linewidth=1,
                        label=STUDY.blocks[0].words.get(name, name), **look)  # fmt: skip
            if name in POLYNOMIALS:
                ax.plot(middle.index, rows["least_possible"].median(), ":", color=COLOURS[name], linewidth=1)
        ax.axhline(CLOSE, color="black", linestyle="--", linewidth=0.8)
        ax.set(xscale="log", yscale="log", xlabel="units", title=f"{inputs} input{'s' * (inputs - 1)}")
        ax.set_xticks(WIDTHS, [str(width) for width in WIDTHS], minor=False)
        ax.set_xticks([], minor=True)
    pair[0].set_ylabel("largest error")
    handles, labels = pair[0].get_legend_handles_labels()
    errors.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
    drawn = tables.profiles[(tables.profiles["inputs"] == 1) & (tables.profiles["way"] == "solved")]
    names = [name for name in ("sigmoid", "relu", "cube") if name in set(drawn["activation"])]
    fits, panels = plt.subplots(len(names), 2, figsize=(7.4, 1.5 * len(names)), sharex=True, sharey=True, squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for ax, width in zip(row, WIDTHS, strict=False):
            one = drawn[(drawn["activation"] == name) & (drawn["width"] == width)]
            one = one[one["seed"] == one["seed"].min()]
            x = np.linspace(-1, 1, len(one))
            ax.plot(x, one["target"], color="0.6", linewidth=3)
            ax.plot(x, one["fit"], color="#0173b2", linewidth=1.2)
            ax.set_title(f"{name}, {width} units", fontsize=8)
    return {"errors": errors, "fits": fits}
