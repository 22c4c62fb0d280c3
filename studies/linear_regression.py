"""Is linear regression as document A tells it: one minimum with a formula, which descent approaches and never reaches?

Question. Document A (Linear Regression Model) gives the closed form, says that there is one critical point where a deep
network has several minima, that descent on all examples is slow against minibatches, that SGD comes slowly closer and
never quite arrives, and that least squares is the maximum likelihood under normal noise.

Cost. Minutes: tasks of the study's own, and one small network for what is said of complex models.

What to expect. The algebra holds where the columns are independent; two that are the same have no closed form and a
whole line of minima. On noisy data SGD stays at a distance that its rate decides and theory predicts. Without noise it
goes on coming closer for ever, which floating point ends. How many passes that takes depends on the columns.

The setting is the document's: 10,000 examples in batches of 100. It names no rate, noise or columns: 0.03, with normal
independent columns, is that of Dive into Deep Learning, whose formulas the document has; the noise is larger than its
0.01, so that it can be seen. Descent on all examples is compared by passes over the data, not by steps. *Converged* is
whoever has less than a hundredth of the loss above the minimum that there was at the start; tens or hundreds of epochs
are at least ten and fewer than a thousand. Sizes and regions were fixed before any run but smoke.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray
ROWS, COLUMNS, BATCH = 10_000, 10, 100
CONVERGED = 0.01
SOME = (0.0, math.inf)


def problem(rng: np.random.Generator, rows: int, columns: int, features: str, noise: float) -> tuple[Array, ...]:
    """Inputs [rows, columns + 1], the last column of ones, targets [rows], and the weights [columns + 1] behind them.

    Each column has a variance of 1 on average. "correlated": the directions' variances are from one to a hundredth of
    the largest; "collinear": the last column is the first once more.
    """
    inputs = rng.standard_normal((rows, columns))
    if features == "correlated":
        spread = np.logspace(0, -2, columns)
        turned = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
        inputs = inputs * np.sqrt(spread / spread.mean()) @ turned
    if features == "collinear":
        inputs[:, -1] = inputs[:, 0]
    inputs, weights = np.column_stack([inputs, np.ones(rows)]), rng.standard_normal(columns + 1)
    return inputs, inputs @ weights + noise * rng.standard_normal(rows), weights


def apart(one: Array, other: Array) -> float:
    """How far two vectors are apart, over the length of the second."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@dataclass(frozen=True)
class CountedInEpochs(Task):
    """A task whose curves are over epochs, as the network's are."""

    @property
    def clock(self) -> str:
        return "epoch"


@dataclass(frozen=True)
class Algebra(CountedInEpochs):
    """Closed forms over 20 random problems a seed, each held to another way: the largest differences."""

    imports = ("torch",)
    features: str = "independent"

    def gives(self) -> Mapping[str, Metric]:
        meanings = {
            "closed_form": "from the solution by SVD, less the means",
            "sum": "minimum of the sum from that of the mean",
            "likelihood": "most likely weights under normal noise from the least squares",
            "unequal": "the same, least of all problems, where the noise of each example is of its own size",
            "update": "a step by the explicit formula from torch's",
        }  # fmt: skip
        return {f"{name}_error": Metric(label=text, meaning="relative") for name, text in meanings.items()}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            rng = stream(seed, "random regressions")
            found = [self.errors(rng) for _ in range(20)]
            worst = {name: max(errors[name] for errors in found) for name in found[0]}
            worst["unequal"] = min(errors["unequal"] for errors in found)
            yield Replicate(seed, {f"{name}_error": value for name, value in worst.items()})

    def errors(self, rng: np.random.Generator) -> dict[str, float]:
        """Of a problem of 20 to 200 examples of 2 to 10 columns, of sizes from a tenth to ten."""
        import torch

        rows, columns, noise = int(rng.integers(20, 200)), int(rng.integers(2, 11)), 10 ** rng.uniform(-1, 1)
        x, y, _ = problem(rng, rows, columns, self.features, noise)
        x[:, :-1] *= 1.0 if self.features == "collinear" else 10 ** rng.uniform(-1, 1, columns)
        errors = {"closed_form": math.nan}
        if np.linalg.matrix_rank(x) == columns + 1:  # else there is no inverse, and no number
            means = x[:, :-1].mean(0)
            slopes = np.linalg.lstsq(x[:, :-1] - means, y - y.mean(), rcond=None)[0]
            errors["closed_form"] = apart(
                np.linalg.solve(x.T @ x, x.T @ y), np.append(slopes, y.mean() - means @ slopes)
            )
        inputs, targets, start = map(torch.from_numpy, (x, y, rng.standard_normal(columns + 1)))
        sizes = torch.from_numpy(10 ** rng.uniform(-1, 1, rows))

        def unlikely(w: Tensor, sizes: Any) -> Tensor:
            found: Tensor = -torch.distributions.Normal(inputs @ w, sizes).log_prob(targets).sum()  # type: ignore[no-untyped-call]
            return found

        losses: dict[str, Callable[[Tensor], Tensor]] = {
            "mean": lambda w: ((inputs @ w - targets).square() / 2).mean(),
            "sum": lambda w: ((inputs @ w - targets).square() / 2).sum(),
            "likelihood": lambda w: unlikely(w, noise),
            "unequal": lambda w: unlikely(w, sizes),
        }
        minima = {name: lowest(loss, start) for name, loss in losses.items()}
        errors |= {name: apart(minima[name], minima["mean"]) for name in ("sum", "likelihood", "unequal")}
        batch, rate = rng.choice(rows, 10, replace=False), 0.03
        w = start.clone().requires_grad_()
        optimizer = torch.optim.SGD([w], rate)
        ((inputs[batch] @ w - targets[batch]).square() / 2).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        explicit = start.numpy() - rate / len(batch) * gradient(x[batch], y[batch], start.numpy())
        return errors | {"update": apart(explicit, w.detach().numpy())}


def gradient(x: Array, y: Array, w: Array) -> Array:
    """The sum of input times error, over examples [..., B, D]: the explicit formula of document A."""
    found: Array = (x.swapaxes(-1, -2) @ ((x @ w[..., None])[..., 0] - y)[..., None])[..., 0]
    return found


def lowest(loss: Callable[[Tensor], Tensor], start: Tensor) -> Array:
    """The minimum of a quadratic loss nearest to the start, by one step of Newton's with autograd."""
    import torch

    slope, curvature = torch.func.grad(loss)(start), torch.func.hessian(loss)(start)
    found: Array = (start - torch.linalg.pinv(curvature, hermitian=True) @ slope).numpy()
    return found


@dataclass(frozen=True)
class Exactly(CountedInEpochs):
    """SGD on whole numbers without noise, in fractions that are never rounded: after how many steps it is at the end.

    "chosen": one weight, inputs of 1 and -1 and a rate of 1, by which one step leads to the minimum.
    """

    rate: float = 0.03
    steps: int = 60
    chosen: bool = False

    def gives(self) -> Mapping[str, Metric]:
        return {"exact_arrivals": Metric(promised=True, label="steps after which SGD is exactly at the minimum")}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        rate = Fraction(1) if self.chosen else Fraction(str(self.rate))
        for seed in seeds:
            rng = stream(seed, "whole numbers")
            x = (
                rng.choice([-1, 1], (20, 1))
                if self.chosen
                else np.column_stack([rng.integers(-3, 4, (20, 2)), np.ones(20)])
            )
            true = [Fraction(int(each)) for each in rng.choice([-3, -2, -1, 1, 2, 3], x.shape[1])]
            w, arrivals = [Fraction(0)] * len(true), 0
            for _ in range(self.steps):
                rows = [[Fraction(int(each)) for each in x[row]] for row in rng.integers(len(x), size=2)]
                errors = [sum(a * (b - c) for a, b, c in zip(row, w, true, strict=True)) for row in rows]
                steps = [sum(row[j] * error for row, error in zip(rows, errors, strict=True)) for j in range(len(w))]
                w = [each - rate / len(rows) * step for each, step in zip(w, steps, strict=True)]
                arrivals += w == true
            yield Replicate(seed, {"exact_arrivals": float(arrivals)})


@dataclass(frozen=True)
class Descent(CountedInEpochs):
    """Gradient descent on 10,000 examples, in float64, all seeds side by side: by minibatches, or on all at once.

    Batches are drawn anew at each step, as document A has it, or a shuffled pass is cut into them. The loss above the
    minimum is taken by the quadratic form of the curvature, so that nothing is lost by a difference.
    """

    imports = ("torch",)
    words: ClassVar[Mapping[str, str]] = {"is_full": "on all examples at once", "at_best": "at the best constant rate"}

    is_full: bool = False
    at_best: bool = False
    too_fast: bool = False
    from_minimum: bool = False
    noise: float = 0.1
    features: str = "independent"
    rate: float = 0.03
    sampling: str = "drawn"
    epochs: int = 300

    def gives(self) -> Mapping[str, Metric]:
        found = {
            "epochs_to_converge": Metric(arrived="converged", label="passes over the data until converged"),
            "converged": Metric(label="whether it converged"),
            "excess": Metric(label="loss above the minimum, over that of the start"),
            "distance_left": Metric(
                label="distance left", meaning="root of the loss above the minimum, over the start's"
            ),
            "floor": Metric(label="loss above the minimum", meaning="mean over the second half"),
            "furthest": Metric(label="root of the largest loss above the minimum"),
        }
        if self.is_full:
            return found | {"theory_difference": Metric(label="relative difference from the formula of descent")}
        return found | {"plain_difference": Metric(is_trained=False, label="difference from torch.optim.SGD")}

    def seconds(self, num_seeds: int) -> float:
        return 0.1 if self.is_full else 0.001 * num_seeds * self.epochs

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        made = [problem(stream(seed, "regression"), ROWS, COLUMNS, self.features, self.noise) for seed in seeds]
        x, y, true = map(np.stack, zip(*made, strict=True))
        curvature, moment = x.swapaxes(1, 2) @ x / ROWS, (x.swapaxes(1, 2) @ y[..., None])[..., 0] / ROWS
        best = np.stack([np.linalg.lstsq(one, two, rcond=None)[0] for one, two in zip(x, y, strict=True)])
        start = np.stack([0.01 * stream(seed, "start of a regression").standard_normal(COLUMNS + 1) for seed in seeds])
        start, best = (true, true) if self.from_minimum else (start, best)
        values, directions = np.linalg.eigh(curvature)
        least = np.where(values > 1e-9, values, math.inf).min(1)  # of a direction in which there is a slope
        rates = np.full(len(x), self.rate)
        rates = 2 / (values[:, -1] + least) if self.at_best else 2.2 / values[:, -1] if self.too_fast else rates

        def excess(w: Array) -> Array:
            found: Array = np.einsum("ri,rij,rj->r", w - best, curvature, w - best) / 2
            found = np.maximum(found, 0)  # rounding can make less than nothing of it where columns are collinear
            return found

        each, w, found = 1 if self.is_full else ROWS // BATCH // 10, start.copy(), [excess(start)]
        batches = zip(*(self.batches(seed) for seed in seeds), strict=True)
        for step in range(1, self.epochs * (1 if self.is_full else ROWS // BATCH) + 1):
            if self.is_full:
                w = w - rates[:, None] * ((curvature @ w[..., None])[..., 0] - moment)
            else:
                chosen = np.stack(next(batches))
                own = np.arange(len(x))[:, None], chosen
                w = w - rates[:, None] / BATCH * gradient(x[own], y[own], w)
            if step == 100:
                early = w
            if step % each == 0:
                found.append(excess(w))
                report(step / self.epochs / (1 if self.is_full else ROWS // BATCH))
        course, a_pass = np.stack(found), 1 if self.is_full else 10  # evaluations in a pass over the data
        for row, seed in enumerate(seeds):
            share = course[:, row] / course[0, row] if course[0, row] else course[:, row]
            below = np.flatnonzero(share < CONVERGED)
            ends = [share[-(-(len(share) - 1) * percent // 100)] for percent in (92, 94, 96, 98, 100)]
            metrics = {
                "epochs_to_converge": below[0] / a_pass if len(below) else float(self.epochs),
                "converged": float(len(below) > 0), "distance_left": math.sqrt(np.median(ends)),
                "floor": course[len(course) // 2 :, row].mean(), "furthest": math.sqrt(course[:, row].max()),
            }  # fmt: skip
            if self.is_full:
                shrunk = (1 - rates[row] * values[row]) ** 10 * (directions[row].T @ (start[row] - best[row]))
                metrics["theory_difference"] = abs(course[10, row] / (values[row] * shrunk**2).sum() * 2 - 1)
            else:
                metrics["plain_difference"] = float(
                    np.abs(early[row] - self.by_torch(x[row], y[row], start[row], seed)).max()
                )
            curve = tuple((epoch, float(value)) for epoch, value in enumerate(share[::a_pass]))
            yield Replicate(seed, {name: float(value) for name, value in metrics.items()}, {"excess": curve})

    def batches(self, seed: int) -> Iterator[Array]:
        """Indices [BATCH] for each step."""
        rng = stream(seed, "batches")
        while True:
            drawn = rng.integers(ROWS, size=ROWS) if self.sampling == "drawn" else rng.permutation(ROWS)
            yield from drawn.reshape(-1, BATCH)

    def by_torch(self, x: Array, y: Array, start: Array, seed: int) -> Array:
        """The weights after 100 steps on the same batches in plain PyTorch, the bias in the layer's own place."""
        import torch

        layer = torch.nn.Linear(COLUMNS, 1, dtype=torch.float64)
        with torch.no_grad():
            layer.weight[0], layer.bias[0] = torch.from_numpy(start[:-1]), float(start[-1])
        optimizer = torch.optim.SGD(layer.parameters(), self.rate)
        for batch in itertools.islice(self.batches(seed), 100):
            optimizer.zero_grad()
            outputs = layer(torch.from_numpy(x[batch, :-1]))[:, 0]
            (torch.nn.functional.mse_loss(outputs, torch.from_numpy(y[batch])) / 2).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return np.append(layer.weight.detach().numpy()[0], float(layer.bias.detach()))


@dataclass(frozen=True)
class Starts(CountedInEpochs):
    """Where training to the very end comes to from ten starts: no hidden layer, or two of four units.

    The targets are what a network of this kind with weights of its own puts out, with noise. Deep networks have a small
    penalty of squared weights, else some of their minima lie at infinite ones, where no search ends.

    Levenberg and Marquardt's steps, then Newton's. An end counts as a minimum where the slope is gone and no direction
    bends down. Networks whose units are dealt out otherwise are one and the same function, so *functions* are counted
    by what they put out for the examples.
    """

    imports = ("torch",)

    is_deep: bool = False
    unit: str = "tanh"
    features: str = "independent"
    noise: float = 0.1

    def gives(self) -> Mapping[str, Metric]:
        return {
            "minima": Metric(label="starts that end in a minimum"),
            "distinct_minima": Metric(label="minima with different weights"),
            "functions": Metric(label="minima that are different functions"),
            "formula_distance": Metric(label="largest distance from what the closed form puts out"),
            "swap_difference": Metric(label="largest change of what is put out when units change places"),
            "end_loss": Metric(by="place", label="loss of each end, in order, over the least"),
        }

    def seconds(self, num_seeds: int) -> float:
        return (4.0 if self.is_deep else 0.1) * num_seeds

    def outputs(self, w: Tensor, x: Tensor) -> Tensor:
        """What weights w [P] put out [..., N] for inputs x [..., 3]."""
        import torch

        if len(w) == 3:
            return x @ w
        function, one = getattr(torch, self.unit), torch.ones(*x.shape[:-1], 1, dtype=x.dtype)
        hidden = torch.cat([function(x @ w[:12].view(3, 4)), one], -1)
        return torch.cat([function(hidden @ w[12:32].view(5, 4)), one], -1) @ w[32:]

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        return map(self.replicate, seeds)

    def replicate(self, seed: int) -> Replicate:
        import torch
        from torch.func import grad, hessian, vmap

        rng = stream(seed, "few examples")
        x = torch.from_numpy(problem(rng, 200, 2, self.features, 0.0)[0])
        y = self.outputs(torch.from_numpy(rng.standard_normal(37)), x)
        y, scale = y + self.noise * torch.from_numpy(rng.standard_normal(200)), float(y.std())
        penalty = 1e-4 if self.is_deep else 0.0

        def loss(w: Tensor) -> Tensor:
            return ((self.outputs(w, x) - y).square().mean() + penalty * w.square().sum()) / 2

        losses_of, slope_of, curvature_of = vmap(loss), vmap(grad(loss)), vmap(hessian(loss))
        sensitivity, outputs_of = vmap(vmap(grad(self.outputs), (None, 0)), (0, None)), vmap(self.outputs, (0, None))
        w = torch.from_numpy(stream(seed, "ten starts").standard_normal((10, 37 if self.is_deep else 3)))
        damping, unit = torch.full((10, 1, 1), 1e-2, dtype=w.dtype), torch.eye(w.shape[1], dtype=w.dtype)
        for _ in range(500):
            slope, parts = slope_of(w), sensitivity(w, x)
            if (slope.norm(dim=1) < 1e-12 * scale).all():
                break
            curvature = parts.mT @ parts / len(x) + (penalty + damping) * unit
            moved = w - torch.linalg.solve(curvature, slope)
            better = losses_of(moved) < losses_of(w)
            w = torch.where(better[:, None], moved, w)
            damping = torch.where(better[:, None, None], damping / 3, damping * 2).clamp(1e-12, 1e6)
        for _ in range(10):
            moved = w - (torch.linalg.pinv(curvature_of(w), hermitian=True) @ slope_of(w)[..., None])[..., 0]
            better = slope_of(moved).norm(dim=1) < slope_of(w).norm(dim=1)
            better &= losses_of(moved) <= losses_of(w) * (1 + 1e-9)
            w = torch.where(better[:, None], moved, w)
        bends, found = torch.linalg.eigvalsh(curvature_of(w)), outputs_of(w, x)
        is_minimum = (slope_of(w).norm(dim=1) < 1e-9 * scale) & (bends[:, 0] > -1e-9 * bends[:, -1])
        swapped = outputs_of(w[:, SWAPPED], x) if self.is_deep else found
        by_formula = x @ torch.linalg.lstsq(x, y[:, None], driver="gelsd").solution[:, 0]
        losses = losses_of(w).sort().values
        metrics = {
            "minima": is_minimum.sum(),
            "distinct_minima": distinct(w[is_minimum].numpy(), 1e-4 * float(w.norm(dim=1).mean())),
            "functions": distinct(found[is_minimum].numpy(), 1e-3 * scale * math.sqrt(len(x))),
            "formula_distance": (found - by_formula).abs().max() / scale,
            "swap_difference": (found - swapped).abs().max() / scale,
        }
        ends = tuple((place, float(value / losses[0])) for place, value in enumerate(losses))
        return Replicate(seed, {name: float(value) for name, value in metrics.items()}, {}, {"end_loss": ends})


def swapped(order: Sequence[int]) -> Array:
    """Where the weights of a network of two layers of four units come from when the units have this order."""
    first, second, last = (np.arange(37)[part] for part in (slice(12), slice(12, 32), slice(32, None)))
    first, second = first.reshape(3, 4)[:, order], second.reshape(5, 4)[:, order]
    return np.concatenate([first.ravel(), second[[*order, 4]].ravel(), last[[*order, 4]]])


SWAPPED = swapped((2, 0, 3, 1))


def distinct(points: Array, within: float) -> int:
    """How many of points [S, D] are further than `within` from all that were counted before them."""
    kept: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - other) > within for other in kept):
            kept.append(point)
    return len(kept)


LEARNERS: Mapping[str, Task] = {  # as they are in the reference universe
    "algebra": Algebra(),
    "fractions": Exactly(),
    "fractions-one-step": Exactly(chosen=True),
    "linear-starts": Starts(),
    "deep-starts": Starts(is_deep=True),
    "sgd": Descent(),
    "sgd-noiseless": Descent(noise=0.0),
    "sgd-from-minimum": Descent(noise=0.0, from_minimum=True),
    "full-batch": Descent(is_full=True),
    "full-too-fast": Descent(is_full=True, too_fast=True),
    # the document's numbers of examples and of a batch; a hundred epochs are "hundreds"
    "network": TrainConfig(depth=2, num_train=ROWS, batch_size=BATCH, epochs=100, measures=("alone",)),
    "network-nine-epochs": TrainConfig(depth=2, num_train=ROWS, batch_size=BATCH, epochs=9, measures=("alone",)),
}  # fmt: skip
WORDS = {
    "fractions": "SGD in fractions", "fractions-one-step": "SGD in fractions, to the minimum in one step",
    "linear-starts": "no hidden layer, ten starts", "deep-starts": "two hidden layers, ten starts",
    "sgd": "minibatches", "sgd-noiseless": "minibatches, without noise",
    "sgd-from-minimum": "minibatches, from the minimum", "full-batch": "all examples at once",
    "full-too-fast": "all examples at once, too fast", "network": "network of two hidden layers",
    "network-nine-epochs": "the same after nine epochs",
}  # fmt: skip
TIMES = {"customary": 1.0, "tenfold": 10.0, "tenth": 0.1}
CONTROLS = ("fractions-one-step", "sgd-from-minimum", "full-too-fast")


def configure(learner: str, features: str, rate: str, noise: float, sampling: str, full: str, unit: str) -> Task:
    task = LEARNERS[learner]
    times = TIMES[rate]
    if isinstance(task, TrainConfig):
        return replace(task, lr=0.1 * times)  # as in activation_depth
    if isinstance(task, Algebra):
        return replace(task, features=features)
    if isinstance(task, Exactly):
        return task if task.chosen else replace(task, rate=round(task.rate * times, 3))
    if isinstance(task, Starts):
        return replace(task, features=features, noise=noise, unit=unit if task.is_deep else "tanh")
    assert isinstance(task, Descent)
    task = replace(task, features=features, noise=noise if task.noise else 0.0)
    if task.is_full:
        at_best = full == "best" and not task.too_fast
        return replace(task, at_best=at_best, rate=task.rate if at_best or task.too_fast else task.rate * times)
    return replace(task, rate=task.rate * times, sampling=sampling)


def predicted_floor(rate: str, noise: float, **_: object) -> float:
    """The mean loss above the minimum at which SGD stays, by its own variance in the long run.

    Where batches are drawn anew, the covariance S of the weights solves S = E[(1 - rA) S (1 - rA)] + r² s² E[A] / B, A
    the curvature of a batch of B, s the noise, r the rate. For normal independent columns S is a multiple of the unit
    matrix; for others to first order in r.
    """
    pace, size = Descent().rate * TIMES[rate], COLUMNS + 1
    variance = pace * noise**2 / (BATCH * (2 - pace * (1 + (size + 1) / BATCH)))
    return size * variance / 2


def of(metric: str, *learners: str, join: Literal["only", "ratio"] = "only", missing: tuple[float, float] = SOME,
       **more: Any) -> Number:  # fmt: skip
    return Number(metric, learners, {}, join, "only", missing, **more)


def control(
    name: str, text: str, number: Number, guards: str, above: float = -math.inf, below: float = math.inf
) -> Control:
    return Control(name, text, number, above, below, kind="always", guards=tuple(guards.split()))


A = "A (Linear Regression Model)"
ROUNDING = 1e-6  # relative, in float64, with columns whose sizes differ a hundredfold
OF_SGD = "sgd-approaches noiseless-stays-away floor-as-theory tens-of-epochs full-batch-slow"
STUDY = Study(
    name="linear_regression",
    question="Does linear regression have one minimum with a formula, which descent approaches and never reaches?",
    passage=A,
    says="The minimum is (XᵀX)⁻¹Xᵀy, the only critical point; deep networks have several minima. Descent on all "
    "examples is very slow, minibatches come slowly closer, in tens or hundreds of epochs, and never reach it exactly. "
    "Under normal noise least squares is maximum likelihood.",
    configure=configure,
    arms=Factor("learner", tuple(name for name in LEARNERS if name not in CONTROLS), words=WORDS),
    blocks=(),
    choices=(
        Factor("features", ("independent", "correlated", "collinear"), "columns", "with {} columns"),
        Factor("rate", ("customary", "tenfold", "tenth"), phrase="at {} rate",
               words={"customary": "the customary", "tenfold": "a tenfold", "tenth": "a tenth of the"}),
        Factor("noise", (0.1, 1.0), phrase="with a noise of {}"),
        Factor("sampling", ("drawn", "shuffled"), phrase="with batches that are {}",
               words={"drawn": "drawn anew", "shuffled": "cut from a shuffled pass"}),
        Factor("full", ("same", "best"), "rate on all examples", "with {} rate on all examples",
               {"same": "the same", "best": "the best constant"}),
        Factor("unit", ("tanh", "sigmoid"), phrase="with {} units"),
    ),
    same_as={  # what is less than nothing by rounding is nothing: it stopped the study, and changed no number
        "3a85659cf1257ddc089752aae88ce8ec56cd57f4d88969a856c1ee6fa32a80a5":
        "9a856a4a620a53ad962ca4a64b51b7bfbb4048f4be398dd2e48009c18c134590",
    },
    universes=({"features": "correlated"}, {"features": "collinear"}, {"rate": "tenfold"}, {"rate": "tenth"},
               {"noise": 1.0}, {"sampling": "shuffled"}, {"full": "best"}, {"unit": "sigmoid"}),
    universe_reasons="What the document leaves open, each alone: whether columns depend on each other, a little or "
    "fully; the rate; the noise; whether batches are drawn anew or cut from a shuffled pass; whether descent on all "
    "examples has the rate of minibatches or the best constant one of its own; the unit of the deep network. Left "
    "out: batches of other sizes, more columns than examples.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, levels={"learner": ("algebra", "fractions", "linear-starts", "deep-starts", "sgd",
                                                   "sgd-noiseless", "full-batch")}),
    },
    headline=("epochs_to_converge", "distance_left", "functions"),
    direction="minimize",
    predictions={"theory": predicted_floor},
    controls=(
        control("unequal-noise-elsewhere", "Where noise differs between examples, the most likely weights are not "
                "those of least squares", of("unequal_error", "algebra"),
                "closed-form sum-same-minimum gaussian-likelihood", above=0.001),
        Control("arrival-is-seen", "Where one step leads to the minimum, it is seen to be there",
                of("exact_arrivals", "fractions-one-step"), above=0.5, kind="always", guards=("sgd-never-arrives",),
                cells=({"learner": "fractions-one-step"},)),
        control("as-in-plain-pytorch", "Minibatch descent is torch's: after 100 steps in float64 no weight differs",
                of("plain_difference", "sgd"), OF_SGD, below=1e-9),
        Control("stays-at-the-minimum", "An effect that must not show: SGD stays where it started, at the minimum",
                of("furthest", "sgd-from-minimum"), below=1e-9, kind="always", guards=tuple(OF_SGD.split()),
                cells=({"learner": "sgd-from-minimum"},)),
        control("full-as-theory", "Descent on all examples is where its formula says, after ten steps",
                of("theory_difference", "full-batch"), "full-batch-slow", below=1e-6),
        Control("too-fast-diverges", "An effect that must show: above the limit of the rate descent moves away",
                of("distance_left", "full-too-fast"), above=1.0, kind="always", guards=("full-batch-slow",),
                cells=({"learner": "full-too-fast"},)),
        control("ends-at-closed-form", "Without a hidden layer each start ends at what the closed form puts out",
                of("formula_distance", "linear-starts"), "one-minimum deep-has-several", below=ROUNDING),
        control("swapped-units-are-the-same", "Two units that change places leave the function as it is",
                of("swap_difference", "deep-starts"), "deep-has-several", below=ROUNDING),
        control("network-as-in-plain-pytorch", "The network trains as it does alone in plain PyTorch: after 100 steps "
                "in float64 no weight differs", of("alone_difference", "network"),
                "network-approaches tens-of-epochs-network", below=1e-6),
    ),
    claims=(
        Claim("closed-form", "The minimum of the squared error is (XᵀX)⁻¹Xᵀy, with a column of ones for the bias.", A,
              "identity", of("closed_form_error", "algebra"), below=ROUNDING),
        Claim("sum-same-minimum", "The sum of the losses has the same minimum as their mean.", A, "identity",
              of("sum_error", "algebra"), below=ROUNDING),
        Claim("gaussian-likelihood", "Under normal noise the most likely weights are those of least squares.", A,
              "identity", of("likelihood_error", "algebra"), below=ROUNDING),
        Claim("explicit-update", "A step of SGD is by the explicit formula what torch's backward and step make of it.",
              A, "identity", of("update_error", "algebra"), below=ROUNDING),
        Claim("one-minimum", "Linear regression ends at the same weights from ten starts.", A, "always",
              of("distinct_minima", "linear-starts"), above=0.5, below=1.5),
        Claim("deep-has-several", "A network of two hidden layers ends, from ten starts, in minima that are different "
              "functions.", A, "most", of("functions", "deep-starts"), above=1.5),
        Claim("full-batch-slow", "Descent on all examples takes ten times as many passes over the data as minibatches.",
              A, "most", of("epochs_to_converge", "full-batch", "sgd", join="ratio"), above=10.0,
              by_hand="a tenfold number of passes counts as very slow"),
        Claim("sgd-approaches", "Minibatch SGD comes close to the minimum: a tenth of the distance is left, or less.",
              A, "most", of("distance_left", "sgd"), below=0.1,
              by_hand="a tenth of the distance, a hundredth of the loss"),
        Claim("network-approaches", "Minibatch SGD takes a network within a hundredth of the least loss that there can "
              "be, in a hundred epochs.", A, "most", of("train_progress", "network", missing=(-math.inf, 1.0)),
              above=0.99, by_hand="a hundredth of the way, as of the linear model"),
        Claim("sgd-never-arrives", "Without noise, in exact arithmetic, SGD is after no step exactly at the minimum.",
              A, "always", of("exact_arrivals", "fractions"), below=0.5),
        Claim("noiseless-stays-away", "Without noise, in double precision, SGD is off the minimum after 300 epochs.",
              A, "most", of("distance_left", "sgd-noiseless"), above=1e-12,
              by_hand="what is nearer, of the distance of the start, is what rounding leaves"),
        Claim("floor-as-theory", "With noise SGD stays as far above the minimum as theory says of its rate.", A, "mean",
              of("floor", "sgd", over="theory"), above=0.9, below=1.1, by_hand="to a tenth"),
        Claim("tens-of-epochs", "With 10,000 examples in batches of 100 linear regression takes tens or hundreds of "
              "epochs to converge.", A, "most", of("epochs_to_converge", "sgd"), above=9.5, below=1000.0,
              by_hand="converged is a hundredth of the loss above the minimum"),
        Claim("tens-of-epochs-network", "With 10,000 examples in batches of 100 nine epochs are too few for a network.",
              A, "most", of("train_progress", "network-nine-epochs", missing=(-math.inf, 1.0)), below=0.99,
              by_hand="converged is a hundredth of the way that is left"),
    ),
)  # fmt: skip
