"""Is softmax regression what is said of it: its parameters, its probabilities, its loss and the size of its gradient?

Question. Document A builds a classifier of one layer: a matrix and a bias for a whole batch, softmax that keeps the
order of the outputs, cross-entropy as the negative logarithm of a likelihood whose product is difficult to optimise, in
one function with softmax since exp overflows; a mean over the batch, since a gradient whose size depends on the batch
makes optimisation unstable; cross-entropy as the cost of representing one distribution by another.

Cost. Full tier: nine softmax regressions of 10,240 digits, 20 seeds each; formulas take seconds.

What to expect. Most of it is mathematics and held to 50 digits, to torch or to sums by hand. Three sentences go
further. Softmax keeps the order of numbers, but of floats that differ in their last bit it may not. exp overflows above
88.7 in float32: whether outputs of a classifier of digits come there depends on how its inputs are scaled. And the mean
over a batch of B has a squared norm of |g|² + S / B, with g the gradient of all examples and S the variance of one's:
independent of the batch only while g is large beside the noise, that is at the start.

The sum's gradient is B times the mean's, so training on it at one rate for all batch sizes is training on the mean at B
times the rate; its instability is asked for at the customary rate 0.1, and in a universe at the rate at which batches
of 32 train alike. Sizes of batches are 8 to 512, four times apart, and divide the number of examples. 1e-10 is a
million roundings of float64, 1e-6 sixteen of float32. All was fixed before any run but smoke.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig
from research.training.network_task import NetworkTask

Array = np.ndarray
BATCHES = (8, 32, 128, 512)
MEAN, SUM = (tuple(f"{kind}-{size}" for size in BATCHES) for kind in ("mean", "sum"))
SHUFFLED = "mean-32-shuffled"
LARGEST = (1, 10, 100, 1000, 10_000)  # logits
NUM_TRAIN = 10_240
DIGITS = 50  # of arithmetic
ROWS = 2000  # of logits


def away(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest number."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def softmax(logits: Array) -> Array:
    """The rows' probabilities, by torch."""
    import torch

    found: Array = torch.from_numpy(logits).softmax(1).numpy()
    return found


def exact_losses(logits: Array, labels: Array) -> Array:
    """Cross-entropies of rows of logits, in 50 digits until they are rounded."""
    import mpmath as mp  # type: ignore[import-untyped, unused-ignore]

    with mp.workdps(DIGITS):
        rows = [[mp.mpf(float(each)) for each in row] for row in logits]
        return np.array(
            [float(mp.log(mp.fsum(map(mp.exp, row))) - row[y]) for row, y in zip(rows, labels, strict=True)]
        )


class Formulas(Task):
    """What the tasks without training share: a dictionary of numbers for each seed."""

    imports: ClassVar[tuple[str, ...]] = ("torch", "mpmath", "scipy.special")

    @property
    def clock(self) -> str:
        return "epoch"  # as of the networks beside it

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for done, seed in enumerate(seeds):
            yield Replicate(seed, self.numbers(stream(seed, type(self).__name__)))
            report((done + 1) / len(seeds))

    def numbers(self, rng: np.random.Generator) -> dict[str, float]:
        """What is measured with the random numbers of a seed; those that give more replace `run`."""
        return {}


def known(cases: str = "", over_cases: tuple[str, ...] = (), **labels: str) -> dict[str, Metric]:
    """Metrics that every seed has, by name and label; of some the metric `cases` says over how many cases they are."""
    return {
        name: Metric(promised=True, label=label, cases=cases if name in over_cases else "")
        for name, label in labels.items()
    }


@dataclass(frozen=True)
class Layer(Formulas):
    """torch's linear layer with a sigmoid on batches, against single units and examples; and its parameters."""

    def gives(self) -> Mapping[str, Metric]:
        return known(
            "batches",
            ("by_example",),
            batches="random layers and batches",
            parameters="parameters of four inputs and three outputs",
            by_example="difference of a batch from its examples one by one",
            without_bias="difference from a batch with its bias in the first row alone",
        )

    def numbers(self, rng: np.random.Generator) -> dict[str, float]:
        import torch

        found = {"parameters": float(sum(each.numel() for each in torch.nn.Linear(4, 3).parameters()))}
        ours, theirs, others = [], [], []
        for _ in range(50):
            n, d, q = (int(each) for each in rng.integers(2, 20, 3))
            layer, x = torch.nn.Linear(d, q, dtype=torch.float64), rng.standard_normal((n, d))
            with torch.no_grad():
                for each in layer.parameters():
                    each.copy_(torch.from_numpy(rng.standard_normal(tuple(each.shape))))
                ours.append(torch.sigmoid(layer(torch.from_numpy(x))).numpy().ravel())
            w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
            z = np.array([[math.fsum(w[unit] * row) for unit in range(q)] for row in x])
            theirs.append((1 / (1 + np.exp(-(z + b)))).ravel())
            z[0] += b
            others.append((1 / (1 + np.exp(-z))).ravel())
        one, two, three = map(np.concatenate, (ours, theirs, others))
        return found | {"by_example": away(one, two), "without_bias": away(one, three), "batches": 50.0}


@dataclass(frozen=True)
class Softmax(Formulas):
    """Softmax of 2,000 rows of ten normal logits: in float64, or, "close", in float32 where two differ by a last bit.

    Close logits are a tenth as large, as before any training, and no other is larger.
    """

    close: bool = False

    def gives(self) -> Mapping[str, Metric]:
        counted = ("argmax_moved", "order_broken", "off_one", "shift")
        return known(
            "rows", counted, rows="rows of logits",
            argmax_moved="rows whose argmax is another after softmax",
            order_broken="neighbours in order of size that change places",
            raw_probabilities="rows of outputs that are probabilities as they are",
            off_one="difference of a row's sum from 1, or of a number below 0",
            by_digits="difference of softmax from arithmetic in 50 digits",
            shift="change of softmax by a constant on all logits",
            shift_of_one="change of softmax by a constant on one logit",
        )  # fmt: skip

    def numbers(self, rng: np.random.Generator) -> dict[str, float]:
        import mpmath as mp

        logits = 3 * rng.standard_normal((ROWS, 10))
        rows = np.arange(len(logits))
        if self.close:
            logits = (logits / 30).astype(np.float32)
            top, other = logits.argmax(1), rng.permuted(np.tile(np.arange(10), (len(logits), 1)), axis=1)
            second = np.where(other[:, 0] == top, other[:, 1], other[:, 0])
            logits[rows, second] = np.nextafter(logits[rows, top], np.float32(-np.inf))
        p, constants = softmax(logits), rng.uniform(-100, 100, (len(logits), 1))
        order = logits.argsort(1)
        with mp.workdps(DIGITS):
            powers = [[mp.exp(mp.mpf(float(each))) for each in row] for row in logits[:50]]
            exact = np.array([[float(each / mp.fsum(row)) for each in row] for row in powers])
        one = logits + constants * (np.arange(10) == 0)
        return {
            "argmax_moved": float((p.argmax(1) != logits.argmax(1)).sum()),
            "order_broken": float((np.diff(np.take_along_axis(p, order, 1), axis=1) < 0).sum()),
            "raw_probabilities": float(((logits >= 0).all(1) & (abs(logits.sum(1) - 1) < 1e-6)).sum()),
            "off_one": float(max(abs(p.sum(1) - 1).max(), -p.min())),
            "by_digits": away(p[:50], exact),
            "shift": away(softmax(logits + constants), p),
            "shift_of_one": away(softmax(one), p),
            "rows": float(len(logits)),
        }


@dataclass(frozen=True)
class Likelihood(Formulas):
    """Products of probabilities of labels: in 50 digits, and as torch has them and their gradient."""

    def gives(self) -> Mapping[str, Metric]:
        return known(
            "labels",
            ("sum_by_product", "one_hot"),
            labels="labels",
            sum_by_product="difference of summed cross-entropies from the product's negative logarithm",
            one_hot="difference of a one-hot cross-entropy from the correct class's alone",
            product_of_many="product of the probabilities of 10,000 labels, or its largest gradient",
            log_of_many="largest gradient of its logarithm",
            few="difference of the product's gradient from product times the logarithm's, of ten labels",
        )

    def numbers(self, rng: np.random.Generator) -> dict[str, float]:
        import mpmath as mp
        import torch

        def drawn(count: int) -> tuple[Any, Any]:
            return (torch.from_numpy(each) for each in (rng.standard_normal((count, 5)), rng.integers(0, 5, count)))  # type: ignore[return-value]

        found = {"sum_by_product": 0.0, "one_hot": 0.0, "labels": 2000.0}
        for _ in range(20):
            logits, labels = drawn(100)
            ours = torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            p = logits.softmax(1)
            with mp.workdps(DIGITS):
                powers = [[mp.exp(mp.mpf(float(each))) for each in row] for row in logits]
                chances = [row[int(y)] / mp.fsum(row) for row, y in zip(powers, labels, strict=True)]
                exact = float(-mp.log(mp.fprod(chances)))
            whole, alone = -(torch.eye(5).double()[labels] * p.log()).sum(1), -p.log()[range(100), labels]
            found["sum_by_product"] = max(found["sum_by_product"], abs(ours - exact) / exact)
            found["one_hot"] = max(found["one_hot"], float((whole - alone).abs().max()))
        for count in (10, 10_000):
            logits, labels = drawn(count)
            logits.requires_grad_()
            product = logits.softmax(1)[range(count), labels].prod()
            (gradient,) = torch.autograd.grad(product, logits)
            (of_log,) = torch.autograd.grad(logits.log_softmax(1)[range(count), labels].sum(), logits)
            if count == 10:
                found["few"] = away(gradient.numpy(), (product.detach() * of_log).numpy())
            else:
                found["product_of_many"] = max(product.item(), float(gradient.abs().max()))
                found["log_of_many"] = float(of_log.abs().max())
        return found


@dataclass(frozen=True)
class Entropies(Formulas):
    """Entropy, cross-entropy and the Shannon code of 1,000 pairs of random distributions of 2 to 20 outcomes."""

    def gives(self) -> Mapping[str, Metric]:
        return known(
            "pairs", ("by_divergence", "off_code"), pairs="pairs of random distributions",
            least_gap="cross-entropy less entropy, the least (nats)",
            typical_gap="cross-entropy less entropy, the median (nats)",
            by_divergence="difference of that from the Kullback-Leibler divergence, by SciPy",
            off_code="how far a code's cost is from cross-entropy to a bit more (bits)",
        )  # fmt: skip

    def numbers(self, rng: np.random.Generator) -> dict[str, float]:
        from scipy.special import rel_entr

        gaps, apart, off = [], [], []
        for _ in range(1000):
            size, (a, b) = int(rng.integers(2, 21)), 10 ** rng.uniform(-1, 1, 2)
            # no chance of 0, of which the logarithm is none
            p, q = (np.maximum(rng.dirichlet(np.full(size, each)), 1e-12) for each in (a, b))
            p, q = p / p.sum(), q / q.sum()
            entropy, cross = float(p @ np.log(1 / p)), float(p @ np.log(1 / q))
            gaps.append(cross - entropy)
            apart.append(abs(cross - entropy - rel_entr(p, q).sum()))
            lengths = np.ceil(-np.log2(q))  # in bits: a prefix code has them, by Kraft's inequality
            over = float(p @ lengths) - cross / math.log(2)
            off.append(max(0.0, -over, over - 1, math.fsum(2.0**-lengths) - 1))
        return {
            "least_gap": min(gaps), "by_divergence": max(apart),
            "typical_gap": float(np.median(gaps)), "off_code": max(off), "pairs": float(len(gaps)),
        }  # fmt: skip


@dataclass(frozen=True)
class Losses(Formulas):
    """Cross-entropy in float32, by its formula as it is written and by torch's one function, against 50 digits.

    A hundred rows of ten logits for each size of the largest, in which the others lie as far apart.
    """

    def gives(self) -> Mapping[str, Metric]:
        return known(
            "losses", ("together_wrong", "by_formula"), losses="losses",
            written_lost="share of losses that are no number, at a logit of 100",
            written_wrong="error of the written formula, at logits up to 1",
            together_wrong="error of softmax and cross-entropy in one function",
            by_formula="difference of log Σ exp(o) - Σ y o from 50 digits, in float64 at logits up to 10",
        ) | {"lost_at": Metric(by="place")}  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            found, profile = self.measured(stream(seed, "Losses"))
            yield Replicate(seed, found, {}, {"lost_at": tuple(profile.items())})

    def measured(self, rng: np.random.Generator) -> tuple[dict[str, float], dict[int, float]]:
        import torch

        lost, together, found = {}, 0.0, {"losses": 100.0 * len(LARGEST)}
        for largest in LARGEST:
            drawn, labels = largest / 2 * rng.standard_normal((100, 10)), rng.integers(0, 10, 100)
            logits = (drawn + largest - drawn.max(1, keepdims=True)).astype(np.float32)
            exact, rows = exact_losses(logits, labels), np.arange(100)
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                powers = np.exp(logits)
                written = -np.log(powers[rows, labels] / powers.sum(1, dtype=np.float32))
            lost[largest] = float((~np.isfinite(written)).mean())
            one = torch.nn.functional.cross_entropy(
                torch.from_numpy(logits), torch.from_numpy(labels), reduction="none"
            )
            together = max(together, float((abs(one.numpy() - exact) / np.maximum(exact, 1)).max()))
            if largest == 1:
                found["written_wrong"] = float((abs(written - exact) / np.maximum(exact, 1)).max())
            if largest <= 10:
                own = logits.astype(float)
                formula = np.log(np.exp(own).sum(1)) - (np.eye(10)[labels] * own).sum(1)
                found["by_formula"] = max(found.get("by_formula", 0.0), away(formula, exact))
        return found | {"written_lost": lost[100], "together_wrong": together}, lost


@dataclass(frozen=True)
class SumTwin(Formulas):
    """Twenty steps of torch's SGD on the sum of a batch's losses, against the mean at as many times the rate."""

    def gives(self) -> Mapping[str, Metric]:
        return known(sum_difference="difference of training on the sum from that on the mean at a multiple of the rate")

    def numbers(self, rng: np.random.Generator) -> dict[str, float]:
        import torch

        start, data = rng.standard_normal((4, 3)), torch.from_numpy(rng.standard_normal((20, 32, 4)))
        labels, ends = torch.from_numpy(rng.integers(0, 3, (20, 32))), []
        for reduction, rate in (("sum", 0.1 / 32), ("mean", 0.1)):
            weight = torch.tensor(start, requires_grad=True)
            optimizer = torch.optim.SGD([weight], rate)
            for inputs, own in zip(data, labels, strict=True):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(inputs @ weight, own, reduction=reduction).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            ends.append(weight.detach().numpy())
        return {"sum_difference": away(*ends)}


@dataclass(frozen=True)
class OnDigits(NetworkTask):
    """A softmax regression of digits in float32, five epochs of batches of 128 at rate 0.1, looked at on the way.

    After each epoch the outputs of all training images go through the formula of cross-entropy as it is written, and
    through torch's one function. Before and after the training 200 batches of each size, drawn with replacement, have
    their gradients' norms taken: of the mean loss, its root mean square.
    """

    scale: float = 1.0
    dataset: str = "mnist"
    num_train: int = NUM_TRAIN
    epochs: int = 5

    @property
    def network(self) -> TrainConfig:
        return TrainConfig(
            dataset=self.dataset, depth=0, num_train=self.num_train, input_scale=self.scale, epochs=self.epochs
        )

    def gives(self) -> Mapping[str, Metric]:
        return known(
            largest_output="largest output on any image",
            written_lost_here="images whose loss is no number after some epoch, by the written formula",
            together_lost_here="images whose loss is no number after some epoch, by one function",
            mean_ratio="gradient of the mean loss before training, batches of 8 over batches of 512",
            mean_ratio_trained="gradient of the mean loss after training, batches of 8 over batches of 512",
            sum_ratio="gradient of the summed loss before training, batches of 512 over batches of 8",
            over_theory="norm of the gradient of batches of 8 over what theory gives",
        ) | {name: Metric(by="place") for name in ("size", "size_trained", "theory", "theory_trained")}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for done, seed in enumerate(seeds):
            yield self.replicate(seed)
            report((done + 1) / len(seeds))

    def replicate(self, seed: int) -> Replicate:
        import torch

        from research.training.data import load
        from research.training.measures import train_for
        from research.training.module import StackModule

        module = StackModule(self.network, [seed], load(self.dataset))
        inputs, targets = (each[0] for each in module.lookup(torch.from_numpy(module.train_indices)))
        lost, largest = torch.zeros(2, len(inputs), dtype=torch.bool), 0.0
        profiles, before = self.sizes(module.model(inputs[None])[0], inputs, targets, seed, "")

        def look(step: int) -> None:
            nonlocal lost, largest
            if step % module.steps_per_epoch:
                return
            with torch.no_grad():
                outputs = module.model(inputs[None])[0]
            powers = outputs.exp()
            written = -(powers[range(len(inputs)), targets] / powers.sum(1)).log()
            together = torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
            lost |= ~torch.stack([written, together]).isfinite()
            largest = max(largest, float(outputs.max()))

        module.listeners.append(look)
        train_for(module, self.epochs * module.steps_per_epoch)
        more, after = self.sizes(module.model(inputs[None])[0], inputs, targets, seed, "_trained")
        found = dict(zip(("written_lost_here", "together_lost_here"), map(float, lost.sum(1)), strict=True))
        found |= {"largest_output": largest, "mean_ratio": before[0], "mean_ratio_trained": after[0]}
        found |= {"sum_ratio": BATCHES[-1] / BATCHES[0] / before[0], "over_theory": before[1]}
        return Replicate(seed, found, {}, {**profiles, **more})

    def sizes(
        self, outputs: Any, inputs: Any, targets: Any, seed: int, when: str
    ) -> tuple[dict[str, tuple[tuple[int, float], ...]], tuple[float, float]]:
        """Norms of gradients by the size of the batch, with what theory gives; the ratio of the ends, and theory's."""
        x = np.column_stack([inputs.numpy(), np.ones(len(inputs))]).astype(float)
        error = (outputs.detach().softmax(1).numpy() - np.eye(10)[targets.numpy()]).astype(float)
        whole = float(((x.T @ error / len(x)) ** 2).sum())
        single = float(((x**2).sum(1) * (error**2).sum(1)).mean())
        rng, norms, theory = stream(seed, "batches" + when), [], []
        for size in BATCHES:
            squares = []
            for _ in range(200):
                rows = rng.integers(0, len(x), size)
                squares.append(((x[rows].T @ error[rows] / size) ** 2).sum())
            norms.append(float(np.sqrt(np.mean(squares))))
            theory.append(math.sqrt(whole + (single - whole) / size))
        found = {f"size{when}": norms, f"theory{when}": theory}
        profiles = {name: tuple(zip(BATCHES, values, strict=True)) for name, values in found.items()}
        return profiles, (norms[0] / norms[-1], norms[0] / theory[0])


CASES: Mapping[str, Task] = {
    "layer": Layer(),
    "softmax": Softmax(),
    "softmax-close": Softmax(close=True),
    "likelihood": Likelihood(),
    "entropies": Entropies(),
    "losses": Losses(),
    "sum-as-mean": SumTwin(),
}


def configure(case: str, inputs: str, rate: str, network: str) -> Task:
    if case in CASES:
        return CASES[case]
    if case == "digits":
        return OnDigits(255.0 if inputs == "bytes" else 1.0)
    kind, size, *_ = case.split("-")
    per_example = 1.0 if kind == "mean" else int(size) / (32 if rate == "of-32" else 1)
    return TrainConfig(
        depth=0 if network == "softmax" else 1,
        num_train=NUM_TRAIN,
        batch_size=int(size),
        lr=0.1 * per_example,
        epochs=10,
        labels="shuffled" if case == SHUFFLED else "true",
        measures=("alone",) if kind == "mean" and case != SHUFFLED else (),
    )


def of(metric: str, *cases: str, join: Any = "max", missing: tuple[float, float] = (-np.inf, np.inf)) -> Number:
    return Number(metric, cases, {}, join if len(cases) > 1 else "only", "only", missing)


def always(name: str, text: str, number: Number, guards: tuple[str, ...], **region: Any) -> Control:
    own = tuple({"case": case} for case in number.arms if case in ("sum-as-mean", SHUFFLED))
    return Control(name, text, number, kind="always", guards=guards, cells=own, **region)


A, LOSS = "A (Softmax Regression)", "A (Cross-Entropy Loss Function)"
EXACT = 1e-10
ORDER = ("argmax-kept", "rows-sum-to-one", "shift-changes-nothing", "raw-are-none")
NOWHERE = (float("-inf"), 0.0)  # where the progress of a replicate that diverged lies
STUDY = Study(
    name="softmax_regression",
    question="Is softmax regression what is said of it: parameters, probabilities, loss and the size of its gradient?",
    passage="A (Linear Regression Model, Softmax Regression, Cross-Entropy Loss Function)",
    says="One layer computes a whole batch; softmax makes probabilities of its outputs and keeps their order; "
    "cross-entropy is a negative log likelihood, is computed with softmax in one function because exp overflows, is "
    "averaged over the batch because optimisation is unstable otherwise, and is never below the entropy.",
    configure=configure,
    arms=Factor("case", (*MEAN, *SUM, "digits", *list(CASES)[:-1]), words={
        "softmax-close": "softmax of close outputs", "digits": "digits, looked at on the way"}),
    blocks=(),
    choices=(
        Factor("inputs", ("unit", "bytes"), phrase="with inputs {}", words={
            "unit": "from 0 to 1", "bytes": "from 0 to 255"}),
        Factor("rate", ("customary", "of-32"), phrase="at {} rate", words={
            "customary": "the customary", "of-32": "a 32nd of the"}),
        Factor("network", ("softmax", "hidden"), phrase="of {}", words={
            "softmax": "softmax regression", "hidden": "a network with one hidden layer"}),
    ),
    universes=({"inputs": "bytes"}, {"rate": "of-32"}, {"network": "hidden"}, {"rate": "of-32", "network": "hidden"}),
    universe_reasons="What the document leaves open, where it matters: how inputs are scaled, for what overflows; the "
    "rate of a summed loss, which is the mean's at batches of one or, in a universe, of 32; and a hidden layer of 128 "
    "units, since the sentence on unstable optimisation is not of one layer alone. Formulas leave nothing open.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, levels={"case": ("mean-32", "mean-512", "sum-512", "digits", *list(CASES)[:-1])}),
    },
    headline=("train_progress", "by_example"),
    controls=(
        always("bias-in-every-row", "An effect that must show: with the bias in the first row alone it is another "
               "batch.", of("without_bias", "layer"), ("batch-as-one-product",), above=0.01),
        always("fifty-digits", "Exact: softmax is that of arithmetic in 50 digits.", of("by_digits", "softmax"), ORDER,
               below=EXACT),
        always("one-logit-matters", "An effect that must show: a constant on one output alone changes probabilities.",
               of("shift_of_one", "softmax"), ("shift-changes-nothing",), above=0.01),
        always("few-multiply", "Exact: of ten labels the product's gradient is the product times the logarithm's.",
               of("few", "likelihood"), ("product-underflows",), below=EXACT),
        always("logarithm-has-a-slope", "An effect that must show: of all labels the logarithm has a gradient.",
               of("log_of_many", "likelihood"), ("product-underflows",), above=0.01),
        always("written-is-right", "Exact: where nothing overflows the written formula is right.",
               of("written_wrong", "losses"), ("naive-overflows", "overflows-on-digits"), below=1e-6),
        always("apart-costs", "An effect that must show: representing by another distribution costs more.",
               of("typical_gap", "entropies"), ("cross-entropy-above-entropy",), above=0.01),
        always("sum-as-mean", "Exact: torch's summed loss trains as the mean at a multiple of the rate.",
               of("sum_difference", "sum-as-mean"), ("sum-unstable",), below=EXACT),
        Control("as-theory-says", "Exact on average: a batch's gradient is as large as theory gives, to three percent.",
                of("over_theory", "digits"), above=0.97, below=1.03,
                guards=("mean-keeps-size", "mean-keeps-size-trained", "sum-grows")),
        Control("as-in-plain-pytorch", "Networks train as they do alone in plain PyTorch: after 100 steps in float64 "
                "no weight differs.", of("alone_difference", *MEAN, missing=(0.0, np.inf)), below=1e-6,
                kind="identity", guards=("sum-unstable", "mean-trains")),
        Control("nothing-to-learn", "An effect that must not show: on labels dealt out at random it is at chance.",
                of("steady_test_accuracy", SHUFFLED, missing=(0.0, 1.0)), above=0.07, below=0.13,
                cells=({"case": SHUFFLED},), guards=("sum-unstable", "mean-trains")),
    ),
    claims=(
        Claim("fifteen-parameters", "With four inputs and three outputs a layer has 4 x 3 + 3 = 15 parameters.", A,
              "always", of("parameters", "layer"), above=14.5, below=15.5),
        Claim("batch-as-one-product", "A batch is one product of matrices, with the bias added to every row.",
              "A (Single-Layer Perceptron, Softmax Regression)", "identity", of("by_example", "layer"), below=EXACT),
        Claim("raw-are-none", "Raw outputs are no probabilities.", A, "always", of("raw_probabilities", "softmax"),
              below=0.5),
        Claim("rows-sum-to-one", "Softmax makes each row numbers from 0 that sum to 1.", A, "identity",
              of("off_one", "softmax"), below=EXACT),
        Claim("argmax-kept", "Softmax keeps the argmax.", A, "identity", of("argmax_moved", "softmax"), below=0.5),
        Claim("order-kept", "Softmax keeps the order of the outputs.", A, "identity", of("order_broken", "softmax"),
              below=0.5),
        Claim("argmax-kept-to-the-last-bit", "In float32 it keeps the argmax of outputs that differ in their last bit.",
              "project", "identity", of("argmax_moved", "softmax-close"), below=0.5),
        Claim("shift-changes-nothing", "A constant added to all outputs changes nothing.", "project", "identity",
              of("shift", "softmax"), below=EXACT),
        Claim("cross-entropy-is-likelihood", "Cross-entropies sum to the negative logarithm of the labels' likelihood.",
              LOSS, "identity", of("sum_by_product", "likelihood"), below=EXACT),
        Claim("one-class-alone", "With one-hot labels cross-entropy is -log of the correct class's probability alone.",
              LOSS, "identity", of("one_hot", "likelihood"), below=EXACT),
        Claim("product-underflows", "Of 10,000 labels the product of probabilities is 0 in float64, and so is its "
              "gradient.", "A", "identity", of("product_of_many", "likelihood"), below=1e-320),
        Claim("log-sum-exp", "Behind softmax cross-entropy is log Σ exp(o) - Σ y o.", LOSS, "identity",
              of("by_formula", "losses"), below=EXACT),
        Claim("naive-overflows", "Written as it is, cross-entropy is no number in float32 at a logit of 100.", LOSS,
              "always", of("written_lost", "losses"), above=0.999),
        Claim("overflows-on-digits", "Written as it is, it is no number for some image while a softmax regression of "
              "digits is trained.", LOSS, "most", of("written_lost_here", "digits"), above=0.5),
        Claim("log-sum-exp-stable", "In one function they are right, to rounding, at logits up to 10,000.", LOSS,
              "identity", of("together_wrong", "losses"), below=1e-6),
        Claim("mean-keeps-size", "Before training the gradient of the mean is as large for batches of 8 as of 512, to "
              "a factor of two.", LOSS, "most", of("mean_ratio", "digits"), above=0.5, below=2.0,
              by_hand="a factor of two, where batches differ by 64"),
        Claim("mean-keeps-size-trained", "So it is after training.", LOSS, "most", of("mean_ratio_trained", "digits"),
              above=0.5, below=2.0, by_hand="a factor of two, where batches differ by 64"),
        Claim("sum-grows", "Before training the gradient of the sum grows with the batch: 64 times as many examples, "
              "more than 32 times as large.", LOSS, "most", of("sum_ratio", "digits"), above=32.0,
              by_hand="half of the 64 times"),
        Claim("sum-unstable", "At the customary rate training on the sum of batches of 512 ends no better than a "
              "constant.", LOSS, "most", of("train_progress", "sum-512", missing=NOWHERE), below=0.0,
              by_hand="no better than the best constant prediction counts as unstable"),
        Claim("mean-trains", "At the customary rate training on the mean works for batches of 8 to 512.", LOSS, "most",
              of("train_progress", *MEAN, join="min", missing=NOWHERE), above=0.5,
              by_hand="half of the way from the best constant prediction to no loss"),
        Claim("cross-entropy-above-entropy", "Cross-entropy is never below entropy.", LOSS, "always",
              of("least_gap", "entropies"), above=-1e-12),
        Claim("the-gap-is-divergence", "What it is above is the Kullback-Leibler divergence.", "project", "identity",
              of("by_divergence", "entropies"), below=EXACT),
        Claim("code-costs-cross-entropy", "A code made for one distribution costs, on another, their cross-entropy to "
              "less than a bit.", LOSS, "identity", of("off_code", "entropies"), below=1e-12),
    ),
)  # fmt: skip
