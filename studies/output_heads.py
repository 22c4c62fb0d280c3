"""Does each output head predict best what it is said to be for, and is it a generalised linear model?

Question. Document B (7.3) pairs five heads with the distributions of their targets: a sigmoid for a Bernoulli one, a
softmax for a categorical one, the identity with squared or absolute error for a normal or Laplace one, a sigmoid a
label for several labels, exp for a Poisson one. Document A says that one sigmoid is enough for two classes, and that
sigmoids are not appropriate for classes that exclude each other.

Cost. Some minutes: small networks on made data, five heads on each of six targets.

What to expect. A head is a distribution of the target given the input, so that heads can be compared by the likelihood
of targets that no network has seen. By the true distribution a head loses at least what it cannot say: a normal head on
Laplace targets 0.072 nats. What else it loses is a matter of how much there is to learn from how many examples. A
softmax over all values can say anything of a whole number, and has the most to learn.

Targets are whole numbers, real ones rounded, so that every head gives every target a probability: identity heads that
of the interval that is rounded to it, at the scale that is best for the validation part; sigmoids that of the target
written as zeros and a one. Each head is trained by the loss that document B gives it, starts at the best constant, and
is read where its own validation loss is least. All numbers were fixed before any run but smoke.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = np.ndarray
HEADS = {
    "sigmoid": "sigmoids", "softmax": "softmax", "normal": "identity, squared error",
    "laplace": "identity, absolute error", "poisson": "exp",
}  # fmt: skip
MATCHING = {  # the head of each distribution of targets
    "bernoulli": "sigmoid", "categorical": "softmax", "normal": "normal", "laplace": "laplace", "labels": "sigmoid",
    "poisson": "poisson",
}  # fmt: skip
WIDTHS = {"bernoulli": 1, "categorical": 5, "labels": 4}  # how many numbers a target has; of the others it is one
VALUES = 64  # whole numbers from 0 that a target can be; what lies beyond is one in a million, and cut off
SCALE = 2.0  # of normal and Laplace targets, in units to which they are rounded: that costs little then
VALIDATION, TEST = 1000, 10_000  # examples: differences of a hundredth of a nat can be told
BATCH, INTERVAL = 100, 50  # examples a step, steps between two looks at the validation part


@dataclass(frozen=True)
class Target:
    """Inputs [N, 8], targets as indices [N] and as vectors [N, J], and the log probability that is true of each [N].

    `truth` are the outputs [N, ...] of the matching head that say the true distribution.
    """

    inputs: Array
    index: Array
    vector: Array
    truth: Array
    log_true: Array


def drawn(data: str, seed: int, count: int) -> Target:
    """Examples whose distribution depends on eight normal inputs by a random network of 16 tanh units."""
    from scipy import stats

    rng = stream(seed, "inputs and targets", count)
    inputs = rng.standard_normal((count, 8))
    hidden = np.tanh(inputs @ rng.standard_normal((8, 16)) / 2)
    f = hidden @ rng.standard_normal((16, WIDTHS.get(data, 1)))
    f = (f - f.mean(0)) / f.std(0)
    if data in ("bernoulli", "labels"):
        truth = 2 * f  # neither certain nor a coin
        vector = (rng.random(f.shape) < 1 / (1 + np.exp(-truth))).astype(float)
        log_true = stats.bernoulli.logpmf(vector, 1 / (1 + np.exp(-truth))).sum(1)
        return Target(inputs, (vector @ 2 ** np.arange(f.shape[1])).astype(int), vector, truth, log_true)
    if data == "categorical":
        truth = 2 * f
        index = (truth + rng.gumbel(size=f.shape)).argmax(1)
        shares = np.exp(truth) / np.exp(truth).sum(1, keepdims=True)
        return Target(inputs, index, np.eye(5)[index], truth, np.log(shares[np.arange(count), index]))
    if data == "poisson":
        truth = 1 + 0.7 * f  # logarithms of rates from one to ten, mostly
        values = np.minimum(rng.poisson(np.exp(truth)), VALUES - 1)
        log_true = stats.poisson.logpmf(values, np.exp(truth))[:, 0]
    else:
        truth = VALUES / 2 + 2 * SCALE * f  # twice as much to be known as is left to chance
        noise = rng.standard_normal if data == "normal" else rng.laplace
        values = np.clip(np.rint(truth + SCALE * noise(size=f.shape)), 0, VALUES - 1)
        law = (stats.norm if data == "normal" else stats.laplace)(truth, SCALE)
        log_true = np.log(law.cdf(values + 0.5) - law.cdf(values - 0.5))[:, 0]
    return Target(inputs, values[:, 0].astype(int), values.astype(float), truth, log_true)


def log_mass(head: str, outputs: Array, target: Array, scale: float = 1.0) -> Array:
    """Log probabilities [N] of targets, indices [N] for a softmax, else [N, J], by a head's raw outputs [N, ...].

    Outputs are logits, means, or logarithms of rates. Identity heads give a whole number all that is rounded to it.
    """
    from scipy.special import gammaln, log_ndtr, log_softmax

    if head == "softmax":
        found: Array = np.take_along_axis(log_softmax(outputs, 1), target[:, None], 1)[:, 0]
        return found
    if head == "sigmoid":
        each = target * outputs - np.logaddexp(0, outputs)
    elif head == "poisson":
        each = target * outputs - np.exp(outputs) - gammaln(target + 1)
    else:
        near, far = ((np.abs(target - outputs) + side) / scale for side in (-0.5, 0.5))  # the interval's ends
        if head == "normal":
            upper, lower = log_ndtr(-near), log_ndtr(-far)
            each = upper + np.log1p(-np.exp(lower - upper))
        else:
            start = np.maximum(near, 0)
            beyond = -start + np.log(-np.expm1(start - far)) - math.log(2)
            each = np.where(near > 0, beyond, np.log1p(-(np.exp(-np.abs(near)) + np.exp(-far)) / 2))
    found = each.sum(1)
    return found


def mass_of_all(head: str, outputs: Array, scale: float) -> Array:
    """What a head's probabilities of all targets add up to, in 200 cases: of single outputs, but for a softmax."""
    flat = outputs.reshape(len(outputs), -1)[:200]
    values = np.arange(flat.shape[1])
    if head != "softmax":
        values = {"sigmoid": np.arange(2), "poisson": np.arange(1000)}.get(head, np.arange(-1000, 1000))
        flat = flat.reshape(-1, 1)[:200]
    one = flat[:, 0] if head == "softmax" else flat
    found: Array = sum(np.exp(log_mass(head, flat, np.full_like(one, value, dtype=int), scale)) for value in values)
    return found


@dataclass(frozen=True)
class Heads(Task):
    """A network of ReLU units with each of the five heads in turn, on targets of one distribution."""

    imports = ("torch", "scipy.stats")
    words: ClassVar[Mapping[str, str]] = {"data": "targets", "dealt": "inputs dealt out at random"}

    data: str
    size: int = 2000  # so that a softmax over all values has some 30 examples of each
    width: int = 64
    layers: int = 1
    stopped: str = "validation"
    steps: int = 2000
    dealt: bool = False

    def gives(self) -> Mapping[str, Metric]:
        likelihoods = {f"loss_{head}": Metric(label=f"nats lost by the head of {name}") for head, name in HEADS.items()}
        return likelihoods | {
            "lead": Metric(label="lead of the matching head over the best other (nats)",
                           meaning="difference of the mean log likelihood of test targets"),
            "over_softmax": Metric(label="lead of the matching head over a softmax (nats)"),
            "identity_gap": Metric(label="lead of the matching identity head over the other (nats)"),
            "over_constant": Metric(label="what the best head gains over the best constant (nats)"),
            "least_loss": Metric(label="nats lost by the best head", meaning="against the true distribution"),
            "told_difference": Metric(label="difference of a log probability from that of SciPy", is_trained=False),
            "mass_difference": Metric(label="difference from 1 of what probabilities add up to"),
        }  # fmt: skip

    def seconds(self, num_seeds: int) -> float:
        return 4e-4 * self.steps * len(HEADS) * num_seeds * (1 + 0.5 * (self.layers - 1) + 0.5 * (self.width > 64))

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for row, seed in enumerate(seeds):
            yield Replicate(seed, self.compared(seed))
            report((row + 1) / len(seeds))

    def parts(self, seed: int) -> tuple[Target, Target, Target]:
        """The training, validation and test part."""
        every = drawn(self.data, seed, self.size + VALIDATION + TEST)
        if self.dealt:
            every = Target(stream(seed, "dealt").permutation(every.inputs), *list(vars(every).values())[1:])
        ends = (0, self.size, self.size + VALIDATION, self.size + VALIDATION + TEST)
        made = [Target(*(values[low:high] for values in vars(every).values())) for low, high in pairwise(ends)]
        return made[0], made[1], made[2]

    def compared(self, seed: int) -> dict[str, float]:
        from scipy.optimize import minimize_scalar

        parts = self.parts(seed)
        _, validation, test = parts
        losses, masses = {}, []
        for head in HEADS:
            fitted = Fit(self, head, seed, parts)

            def cost(log_scale: float, head: str = head, outputs: Array = fitted.validated) -> float:
                return -float(log_mass(head, outputs, wanted(head, self.data, validation), math.exp(log_scale)).mean())

            is_scaled = head in ("normal", "laplace")
            scale = math.exp(minimize_scalar(cost, bounds=(-4, 6), method="bounded").x) if is_scaled else 1.0
            reads = [log_mass(head, outputs, wanted(head, self.data, test), scale) for outputs in fitted.tested]
            losses[head] = float(np.median([(test.log_true - read).mean() for read in reads]))
            masses.append(np.abs(mass_of_all(head, fitted.tested[-1], scale) - 1).max())
        matching = MATCHING[self.data]
        same = (
            {matching, "softmax"} if self.data == "bernoulli" else {matching}
        )  # of two classes it is one distribution
        told = log_mass(matching, test.truth, wanted(matching, self.data, test), SCALE)
        shares = np.bincount(parts[0].index, minlength=64) + 1e-9
        constant = -np.log(shares / shares.sum())[test.index].mean()
        other = "laplace" if self.data == "normal" else "normal"
        return {f"loss_{head}": loss for head, loss in losses.items()} | {
            "lead": min(loss for head, loss in losses.items() if head not in same) - losses[matching],
            "over_softmax": losses["softmax"] - losses[matching],
            "identity_gap": losses[other] - losses[matching],
            "over_constant": float(constant + test.log_true.mean() - min(losses.values())),
            "least_loss": min(losses.values()),
            "told_difference": float(np.abs(told - test.log_true).max()),
            "mass_difference": float(max(masses)),
        }


def wanted(head: str, data: str, target: Target) -> Array:
    """The targets as a head sees them: indices for a softmax, of numbers zeros and a one for sigmoids, else vectors."""
    if head == "softmax":
        return target.index
    is_number = data in ("normal", "laplace", "poisson")
    return np.eye(VALUES)[target.index] if head == "sigmoid" and is_number else target.vector


def loss_of(head: str, outputs: Tensor, target: Tensor) -> Tensor:
    """The loss that goes with a head, as PyTorch has it; of the squared error half, as a normal likelihood has it."""
    import torch.nn.functional as F

    if head == "softmax":
        return F.cross_entropy(outputs, target)
    given = target.to(outputs.dtype)
    if head == "sigmoid":
        return F.binary_cross_entropy_with_logits(outputs, given)
    if head == "poisson":
        return F.poisson_nll_loss(outputs, given)
    return F.mse_loss(outputs, given) / 2 if head == "normal" else F.l1_loss(outputs, given)


@dataclass
class Fit:
    """A network with one head, trained; `validated` and `tested` are its raw outputs for two parts.

    They are those of the step with the least validation loss or, where nothing stops it, of the last; `tested` has then
    those of five evaluations in the last tenth.
    """

    task: Heads
    head: str
    seed: int
    parts: tuple[Target, Target, Target]

    def __post_init__(self) -> None:
        import torch

        train, validation, test = (
            (torch.from_numpy(part.inputs).float(), torch.from_numpy(self.asked(part))) for part in self.parts
        )
        order, network = stream(self.seed, "batches of heads"), self.network
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)  # the customary rate
        read = {round(share * self.task.steps / 100) for share in (92, 94, 96, 98, 100)}
        least, self.tested = math.inf, []
        for step in range(1, self.task.steps + 1):
            rows = torch.from_numpy(order.integers(0, len(train[0]), BATCH))
            optimizer.zero_grad()
            loss = loss_of(self.head, network(train[0][rows]), train[1][rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if self.task.stopped == "validation" and (step % INTERVAL == 0 or step == self.task.steps):
                with torch.no_grad():
                    reached = float(loss_of(self.head, outputs := network(validation[0]), validation[1]))
                    if reached < least:
                        least, self.validated, self.tested = reached, self.raw(outputs), [self.raw(network(test[0]))]
            elif self.task.stopped != "validation" and step in read:
                with torch.no_grad():
                    self.validated = self.raw(network(validation[0]))
                    self.tested.append(self.raw(network(test[0])))

    @cached_property
    def units(self) -> tuple[Array, float]:
        """What outputs are shifted by [J] and multiplied with: identity heads learn standardised targets."""
        if self.head not in ("normal", "laplace"):
            return np.zeros(1), 1.0
        return self.parts[0].vector.mean(0), float(self.parts[0].vector.std())

    def asked(self, part: Target) -> Array:
        """Targets as the loss has them."""
        shift, size = self.units
        found = wanted(self.head, self.task.data, part)
        return found if self.head == "softmax" else (found - shift) / size

    @cached_property
    def network(self) -> nn.Sequential:
        """It starts at the best constant, so that no head has to find that first."""
        import torch
        from torch import nn

        train, task = wanted(self.head, self.task.data, self.parts[0]), self.task
        if self.head == "softmax":
            count = {"bernoulli": 2, "categorical": 5, "labels": 16}.get(task.data, VALUES)
            start = np.log(np.bincount(train, minlength=count) + 0.1)
        else:
            means = np.maximum(train.mean(0), 0.1 / len(train))
            start = {"sigmoid": np.log(means) - np.log(np.maximum(1 - means, 1e-3)), "poisson": np.log(means)}.get(
                self.head, np.zeros(train.shape[1])
            )
        torch.manual_seed(int(stream(self.seed, "start of heads").integers(2**31)))
        widths = [8, *[task.width] * task.layers]
        hidden = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
        last = nn.Linear(widths[-1], len(start))
        last.bias.data.copy_(torch.from_numpy(start))
        return nn.Sequential(*hidden, last)

    def raw(self, outputs: Tensor) -> Array:
        shift, size = self.units
        found: Array = outputs.double().numpy() * size + shift
        return found


@dataclass(frozen=True)
class LastLayer(Task):
    """The last layer of a trained network, trained to its end by L-BFGS, against scikit-learn's model of its inputs.

    Both have a penalty of 0.01 on half of the squared weights, so that there is one optimum. Of every head the signal
    at its outputs, by autograd, is compared with the mean that it predicts less the target.
    """

    imports = ("torch", "scipy.stats", "sklearn.linear_model")

    head: str
    elsewhere: bool = False  # the model is that of targets in another order

    def gives(self) -> Mapping[str, Metric]:
        model = Metric(promised=True, label="largest difference of a predicted mean from the generalised linear model",
                       meaning="as a share of the largest", cases="examples")  # fmt: skip
        return {
            "signal_difference": Metric(promised=True, label="difference of the output signal from mean less target",
                                        cases="examples"),
            "examples": Metric(promised=True, label="examples"),
        } | ({} if self.head == "laplace" else {"model_difference": model})  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import torch

        task = Heads(next(data for data, head in MATCHING.items() if head == self.head), size=500, steps=200)
        for seed in seeds:
            fit = Fit(task, self.head, seed, task.parts(seed))
            with torch.no_grad():
                features = fit.network[0](torch.from_numpy(fit.parts[0].inputs).float()).double()
            target, last = torch.from_numpy(fit.asked(fit.parts[0])), fit.network[-1].double()
            outputs = last(features).detach().requires_grad_()
            (signal,) = torch.autograd.grad(len(features) * loss_of(self.head, outputs, target), outputs)
            given = np.eye(outputs.shape[1])[target] if self.head == "softmax" else target.numpy()
            error = self.means(outputs) - given
            found = {"signal_difference": float(np.abs(signal.numpy() - error).max()), "examples": float(len(given))}
            if self.head != "laplace":
                means, model = self.trained(last, features, target), self.model(features.numpy(), target.numpy())
                found["model_difference"] = float(np.abs(means - model).max() / np.abs(model).max())
            yield Replicate(seed, found)

    def means(self, outputs: Tensor) -> Array:
        """What the outputs' activation makes of them."""
        kinds = {"sigmoid": outputs.sigmoid, "softmax": lambda: outputs.softmax(1), "poisson": outputs.exp}
        found: Array = kinds.get(self.head, lambda: outputs)().detach().numpy()
        return found

    def trained(self, last: nn.Module, features: Tensor, target: Tensor) -> Array:
        """The means that the last layer predicts when the penalised loss has no slope any more."""
        import torch

        optimizer = torch.optim.LBFGS(
            last.parameters(), max_iter=5000, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe"
        )

        def penalised() -> float:
            optimizer.zero_grad()
            weights = next(last.parameters())
            loss = loss_of(self.head, last(features), target) + 0.005 * weights.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.item()

        optimizer.step(penalised)  # type: ignore[no-untyped-call]
        return self.means(last(features))

    def model(self, features: Array, target: Array) -> Array:
        """The means that scikit-learn's generalised linear model predicts."""
        from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

        if self.elsewhere:
            target = np.roll(target, 1, 0)
        flat, penalty, exactly = target.reshape(-1), 0.01, {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}
        found: Array
        if self.head in ("sigmoid", "softmax"):
            classes = LogisticRegression(C=1 / penalty / len(flat), **exactly).fit(features, flat.astype(int))
            found = classes.predict_proba(features)[:, 1 if self.head == "sigmoid" else 0 :]
        else:
            numbers = (
                Ridge(penalty * len(flat)) if self.head == "normal" else PoissonRegressor(alpha=penalty, **exactly)
            )
            found = numbers.fit(features, flat).predict(features)[:, None]
        return found


def configure(case: str, size: int, width: int, layers: int, stopped: str) -> Task:
    if case in MATCHING:
        return Heads(case, size, width, layers, stopped)
    if case == "dealt-out":
        return Heads("bernoulli", size, width, layers, stopped, dealt=True)
    return LastLayer(case.removeprefix("last-").removesuffix("-of-others"), case.endswith("-of-others"))


def gap_foretold(case: str, **levels: object) -> float:
    """The nats that the best other identity head loses where the place is known: the Kullback-Leibler divergence.

    Of Laplace targets from the normal distribution of their variance it is log(π) / 2 - 1 / 2, of normal ones from the
    Laplace distribution of their mean distance log(2 / π) + 1 / 2.
    """
    return math.log(math.pi) / 2 - 0.5 if case == "laplace" else math.log(2 / math.pi) + 0.5


def of(metric: str, *cases: str, join: str = "only", **more: str) -> Number:
    return Number(metric, cases, {}, join, "only", **more)  # type: ignore[arg-type]


def best(name: str, text: str, passage: str, case: str) -> Claim:
    return Claim(name, text, passage, "most", of("lead", case), above=0.0)


def always(name: str, text: str, number: Number, guards: Sequence[str] = (), **region: float) -> Control:
    cells = tuple({"case": case} for case in number.arms if case in ("dealt-out", *OTHERS))
    return Control(name, text, number, cells=cells, kind="always", guards=tuple(guards), **region)


A, B = "A (Softmax Regression)", "B 7.3"
LAST = tuple(f"last-{head}" for head in HEADS)
OTHERS = tuple(f"{case}-of-others" for case in LAST if case != "last-laplace")
FORETOLD = "normal-gap-as-foretold", "laplace-gap-as-foretold"
LIKELIHOODS = (
    "bernoulli-best", "categorical-best", "gaussian-best", "laplace-best", "multi-label-best", "poisson-best",
    "one-sigmoid-is-enough", *FORETOLD,
)  # fmt: skip
AS_FORETOLD = "a factor of two, since the place has to be learnt too"
STUDY = Study(
    name="output_heads",
    question="Does each output head predict best what it is said to be for, and is it a generalised linear model?",
    passage="B 7.3, A (Softmax Regression)",
    says="Sigmoid is for Bernoulli targets, softmax for categorical, identity for normal (squared error) and Laplace "
    "ones (absolute error), sigmoids for several labels, exp for counts. A head is a generalised linear model of "
    "what was learnt. For two classes one sigmoid is enough; for classes that exclude each other sigmoids are not.",
    configure=configure,
    arms=Factor("case", (*MATCHING, *LAST), words={
        "bernoulli": "Bernoulli targets", "categorical": "categorical targets", "normal": "normal targets",
        "laplace": "Laplace targets", "labels": "several labels", "poisson": "Poisson targets",
        "dealt-out": "Bernoulli targets, inputs dealt out at random",
        **{f"last-{head}": f"the last layer before {name}" for head, name in HEADS.items()},
        **{f"last-{head}-of-others": f"the last layer before {name}, model of others" for head, name in HEADS.items()},
    }),
    blocks=(),
    choices=(
        Factor("size", (2000, 500, 8000), "training examples", "with {} training examples"),
        Factor("width", (64, 256), "hidden units", "with {} hidden units"),
        Factor("layers", (1, 2), "hidden layers", "with {} hidden layers"),
        Factor("stopped", ("validation", "never"), "stopping", "{}", {
            "validation": "stopped by validation", "never": "never stopped"}),
    ),
    universes=({"size": 500}, {"size": 8000}, {"width": 256}, {"layers": 2}, {"stopped": "never"}),
    universe_reasons="What the documents leave open, each alone: how many examples there are, which decides what a "
    "softmax over many values loses, two other networks, and training to the end. Left out: other optimisers, rates, "
    "heads that predict a scale too, and targets of no named distribution.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, overrides={"steps": 100}, levels={"size": (2000,), "width": (64,), "layers": (1,)}),
    },
    headline=("lead", "model_difference"),
    controls=(
        always("as-in-scipy", "Exact: told the true distribution, the matching head has the probabilities of SciPy.",
               of("told_difference", *MATCHING, join="max"), LIKELIHOODS, below=1e-8),
        always("adds-up-to-one", "Exact: by each head the probabilities of all targets add up to 1.",
               of("mass_difference", *MATCHING, join="max"), LIKELIHOODS, below=1e-8),
        # a difference of means over 10,000 targets is less than 0.003 off, where it is small itself
        always("truth-is-best", "A bound: on targets of a test part no head is better than the true distribution.",
               of("least_loss", *MATCHING, join="min"), LIKELIHOODS, above=-0.003),
        always("nothing-to-learn", "An effect that must not show: of inputs dealt out at random nothing is learnt.",
               of("over_constant", "dealt-out"), LIKELIHOODS, below=0.003),
        always("other-targets", "An effect that must show: the model of other targets is another.",
               of("model_difference", *OTHERS, join="min"), ("head-is-glm",), above=0.01),
    ),
    claims=(
        best("bernoulli-best", "Of Bernoulli targets a sigmoid predicts more than identity and exp.", B, "bernoulli"),
        # a hundredth of a nat is a fiftieth of what there is to learn of such a target
        Claim("one-sigmoid-is-enough", "For two classes one sigmoid is as good as a softmax of two, to 0.01 nats.", A,
              "mean", of("over_softmax", "bernoulli"), above=-0.01, below=0.01,
              by_hand="a hundredth of a nat counts as no difference"),
        best("categorical-best", "Of categorical targets a softmax predicts more than all other heads.", "A, B 7.3",
             "categorical"),
        best("gaussian-best", "Of normal targets identity with squared error predicts more than all other heads.", B,
             "normal"),
        best("laplace-best", "Of Laplace targets identity with absolute error predicts more than all others.", B,
             "laplace"),
        best("multi-label-best", "Of several labels a sigmoid each predicts more than all other heads.", "A, B 7.3",
             "labels"),
        best("poisson-best", "Of counts exp with the Poisson likelihood predicts more than all other heads.", B,
             "poisson"),
        Claim(FORETOLD[0], "On normal targets absolute error loses what theory says, to a factor of two.", "project",
              "most", of("identity_gap", "normal", over="gap_foretold"), above=0.5, below=2.0, by_hand=AS_FORETOLD),
        Claim(FORETOLD[1], "On Laplace targets squared error loses what theory says, to a factor of two.", "project",
              "most", of("identity_gap", "laplace", over="gap_foretold"), above=0.5, below=2.0, by_hand=AS_FORETOLD),
        # both end where gradients are below 1e-9, at a penalty of 0.01
        Claim("head-is-glm", "A last layer with sigmoid, softmax, identity or exp is a generalised linear model.", B,
              "identity", of("model_difference", *(case for case in LAST if case != "last-laplace"), join="max"),
              below=1e-5),
        Claim("signal-is-the-error", "Of these heads the signal at the outputs is mean less target.", "project",
              "identity", of("signal_difference", *(case for case in LAST if case != "last-laplace"), join="max"),
              below=1e-10),
        Claim("laplace-signal-is-the-error", "Of identity with absolute error it is too.", "project", "identity",
              of("signal_difference", "last-laplace"), below=1e-10),
    ),
    predictions={"gap_foretold": gap_foretold},
)  # fmt: skip
