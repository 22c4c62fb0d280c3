"""Are four lines all of backpropagation, and what does a step with their gradients move?

Question. Both documents derive the gradients of a network by hand: the signal at the output, the same two lines for
every layer, and a gradient for each weight. They say that PyTorch does just this, that a step moves what lies on the
path of computation and nothing else, and that a small step reduces the error.

Cost. A few minutes for all universes, seconds for the rest.

What to expect. The chain rule is mathematics, so equations are held against autograd in float64, and autograd against
differences of the loss. Some sentences say more than the chain rule: A's output error multiplies number by number,
which fits a sigmoid but not a softmax; B's first signal in 6.2 is the slope by the prediction, which is not the one by
the logits; and y^ - y is the signal of a squared error only with a half in front. Tested is what is written.

The equations are typed again here, in NumPy and example by example, as the documents write them. Differences are
relative to the largest number of what is compared; 1e-10 is a million roundings, more than a pass of 17 layers makes.
What a step moves depends on the optimiser, on how gradients are cleared and on the batch, which the documents leave
open: universes. All was fixed before any run but smoke.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

Array = np.ndarray
DEPTHS = (0, 1, 2, 4, 8, 16)  # hidden layers
MOVED = 20  # weights of a network that are changed slightly, one at a time


def sigmoid(z: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-z))
    return found


def normal_below(z: Array) -> Array:
    found: Array = np.vectorize(lambda value: math.erfc(-value / math.sqrt(2)) / 2)(z)
    return found


# Each activation with its slope, of which nothing is the harness's.
BY_HAND: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda z: z, np.ones_like),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.maximum(0.01 * z, z), lambda z: np.where(z > 0, 1, 0.01)),
    "prelu": (lambda z: np.maximum(z / 4, z), lambda z: np.where(z > 0, 1, 0.25)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1, np.exp(z))),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "gelu": (
        lambda z: z * normal_below(z),
        lambda z: normal_below(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: (z > 0) * (z < 6.0)),
    "hardswish": (
        lambda z: z * np.clip(z + 3, 0, 6) / 6,
        lambda z: np.where(z < -3, 0, np.where(z > 3, 1, z / 3 + 0.5)),
    ),
}
KINKS = (-3.0, 0.0, 3.0, 6.0)
LOSSES = {"softmax": "cross_entropy", "sigmoid": "cross_entropy", "raw": "mse"}  # by output


def predicted(head: str, outputs: Array) -> Array:
    if head == "softmax":
        powers = np.exp(outputs - outputs.max(-1, keepdims=True))
        found: Array = powers / powers.sum(-1, keepdims=True)
        return found
    return sigmoid(outputs) if head == "sigmoid" else outputs


def away(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest number; 0 where both are all 0."""
    size = float(np.abs(theirs).max())
    gap = float(np.abs(ours - theirs).max())
    return gap / size if size else gap


@dataclass(frozen=True)
class Equations(Task):
    """The documents' equations, example by example, against autograd in networks of 0 to 16 hidden layers of 16 units.

    So are the passes that the harness has written out, and autograd against differences of the loss over 1e-6 at 20
    weights of each network, where no unit passes a kink between.
    """

    activation: str
    init: str = "default"
    head: str = "softmax"
    broken: str = ""  # "no slope" in the equations, or differences of "other data": for controls
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def identity(self, numerics: int) -> dict[str, object]:
        return {**super().identity(numerics), "numerics": numerics}

    @property
    def is_plain(self) -> bool:
        return self.activation != "prelu"  # whose slope is learnt: the harness leaves it to autograd

    def gives(self) -> Mapping[str, Metric]:
        known = {
            "by_equations": Metric(promised=True, label="difference of the equations from autograd", cases="cases"),
            "by_slope": Metric(promised=True, label="difference of autograd from the slope of the loss", cases="moved"),
            "cases": Metric(promised=True, label="weight matrices and biases compared"),
            "moved": Metric(promised=True, label="single weights that were changed slightly"),
            "loss_difference": Metric(promised=True, label="difference of the loss from torch's"),
            "hand_at_depth": Metric(by="place"), "slope_at_depth": Metric(by="place"),
        }  # fmt: skip
        more = {
            "written_out": Metric(promised=True, cases="cases",
                                  label="difference of the harness's written-out pass from autograd"),
            "written_at_depth": Metric(by="place"),
        }  # fmt: skip
        return known | (more if self.is_plain else {})

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            rows = [self.compared(seed, depth) for depth in DEPTHS]
            found = {name: max(row[name] for row in rows) for name in rows[0]}
            found |= {name: sum(row[name] for row in rows) for name in ("cases", "moved")}
            places = {"by_equations": "hand_at_depth", "by_slope": "slope_at_depth", "written_out": "written_at_depth"}
            profiles = {
                place: tuple((depth, row[name]) for depth, row in zip(DEPTHS, rows, strict=True))
                for name, place in places.items() if name in rows[0]
            }  # fmt: skip
            yield Replicate(seed, found, {}, profiles)

    def compared(self, seed: int, depth: int) -> dict[str, float]:
        import torch

        from research.training.losses import example_losses
        from research.training.models import StackedMLP
        from research.training.optimizers import flattened
        from research.training.passes import Batch, Scratch

        config = TrainConfig(
            dataset="digits", depth=depth, width=16, activation=self.activation, init=self.init, output=self.head,
            loss=LOSSES[self.head],
        )  # fmt: skip
        model, rng = StackedMLP(config, [seed], torch.float64), stream(seed, "examples for gradients", depth)
        inputs, labels = rng.standard_normal((8, 64)), rng.integers(0, 10, 8)
        examples = torch.from_numpy(inputs)[None], torch.from_numpy(labels)[None]
        parameters = [each for pair in zip(model.weights, model.biases, strict=True) for each in pair]
        layers = [each[0].detach().numpy().copy() for each in parameters]
        loss = example_losses(config, model(examples[0]), examples[1]).mean()
        gradients = [each[0].numpy() for each in torch.autograd.grad(loss, parameters)]
        ours, own_loss = self.equations(layers, inputs, labels)
        found = {
            "by_equations": max(away(a, b) for a, b in zip(ours, gradients, strict=True)),
            "loss_difference": abs(own_loss - loss.item()) / own_loss,
            "by_slope": self.slopes(layers, gradients, inputs, labels, rng),
            "cases": float(len(gradients)),
            "moved": float(MOVED),
        }
        if self.is_plain:
            flattened(list(model.parameters()))
            with torch.no_grad():
                Batch(config, model, *examples, 8, Scratch(examples[0])).run()
            written = [each.grad[0].numpy() for each in parameters if each.grad is not None]
            found["written_out"] = max(away(a, b) for a, b in zip(written, gradients, strict=True))
        return found

    def forward(self, layers: Sequence[Array], inputs: Array) -> tuple[list[Array], list[Array]]:
        """Pre-activations and what enters each layer."""
        zs, hs = [], [inputs]
        for weight, bias in zip(layers[::2], layers[1::2], strict=True):
            zs.append(hs[-1] @ weight + bias)
            hs.append(BY_HAND[self.activation][0](zs[-1]))
        return zs, hs

    def loss(self, outputs: Array, labels: Array) -> float:
        target = np.eye(10)[labels]
        if self.head == "softmax":
            return float((np.logaddexp.reduce(outputs, 1) - (target * outputs).sum(1)).mean())
        if self.head == "sigmoid":
            return float((np.logaddexp(0, outputs) - target * outputs).sum(1).mean())
        return float(((outputs - target) ** 2).sum(1).mean() / 2)

    def equations(self, layers: Sequence[Array], inputs: Array, labels: Array) -> tuple[list[Array], float]:
        """The mean gradients by the four equations, an example after the other, and the loss."""
        slope = np.ones_like if self.broken == "no slope" else BY_HAND[self.activation][1]
        gradients = [np.zeros_like(each) for each in layers]
        for x, label in zip(inputs, labels, strict=True):
            zs, hs = self.forward(layers, x[None])
            delta = (predicted(self.head, zs[-1]) - np.eye(10)[label])[0]
            for layer in range(len(zs) - 1, -1, -1):
                gradients[2 * layer] += np.outer(delta, hs[layer][0]).T / len(inputs)
                gradients[2 * layer + 1] += delta / len(inputs)
                if layer:
                    delta = (layers[2 * layer] @ delta) * slope(zs[layer - 1][0])
        return gradients, self.loss(self.forward(layers, inputs)[0][-1], labels)

    def slopes(
        self,
        layers: Sequence[Array],
        gradients: Sequence[Array],
        inputs: Array,
        labels: Array,
        rng: np.random.Generator,
    ) -> float:
        """How far autograd is from differences of the loss, relative to the largest gradient of the network."""
        worst, compared, step = 0.0, 0, 1e-6
        if self.broken == "other data":
            inputs = rng.standard_normal(inputs.shape)
        while compared < MOVED:
            which = int(rng.integers(len(layers)))
            place = tuple(int(rng.integers(size)) for size in layers[which].shape)
            ends, sides = [], []
            for way in (step, -step):
                moved = [each.copy() for each in layers]
                moved[which][place] += way
                zs, _ = self.forward(moved, inputs)
                ends.append(self.loss(zs[-1], labels))
                sides.append([np.digitize(z, KINKS) for z in zs[:-1]])
            if any((one != other).any() for one, other in zip(*sides, strict=True)):
                continue  # there is no slope at a kink
            worst = max(worst, abs((ends[0] - ends[1]) / (2 * step) - gradients[which][place]))
            compared += 1
        return worst / max(float(np.abs(each).max()) for each in gradients)


@dataclass(frozen=True)
class OutputSignal(Task):
    """What three sentences say of the signal at the outputs of one layer, against autograd, on 200 random examples.

    That it is prediction less target; that it is the slope of the loss by the prediction; and that times the slope of
    the output's activation, number by number. "raw-mse" is the squared error without the half.
    """

    head: str
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def gives(self) -> Mapping[str, Metric]:
        return {
            "error_signal": Metric(promised=True, label="difference of prediction less target from the signal",
                                   cases="examples"),
            "prediction_signal": Metric(promised=True, cases="examples",
                                        label="difference of the slope by the prediction from the signal"),
            "elementwise_signal": Metric(promised=True, cases="examples",
                                         label="difference of loss slope times unit slope from the signal"),
            "weight_gradient": Metric(promised=True, label="difference of error times input from the weights' gradient",
                                      cases="examples"),
            "examples": Metric(promised=True, label="random examples"),
            "times_error": Metric(promised=True, label="signal as a multiple of prediction less target"),
            "error_of_others": Metric(promised=True, label="difference of the error of other examples from the signal"),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            yield Replicate(seed, self.differences(stream(seed, "outputs and targets")))

    def differences(self, rng: np.random.Generator) -> dict[str, float]:
        import torch

        inputs, weights = (
            torch.from_numpy(rng.standard_normal((200, 20))),
            torch.from_numpy(rng.standard_normal((20, 5))),
        )
        if self.head == "softmax":
            targets = torch.eye(5, dtype=torch.float64)[torch.from_numpy(rng.integers(0, 5, 200))]
        elif self.head == "sigmoid":
            targets = torch.from_numpy(rng.integers(0, 2, (200, 5)) * 1.0)
        else:
            targets = torch.from_numpy(rng.standard_normal((200, 5)))
        weights.mul_(0.3).requires_grad_()
        outputs = (inputs @ weights).detach().requires_grad_()

        def loss(predictions: Tensor) -> Tensor:
            if self.head == "softmax":
                return -(targets * predictions.log()).sum()
            if self.head == "sigmoid":
                return -(targets * predictions.log() + (1 - targets) * (1 - predictions).log()).sum()
            return (predictions - targets).square().sum() / (1 if self.head == "raw-mse" else 2)

        def activated(values: Tensor) -> Tensor:
            if self.head == "softmax":
                return values.softmax(1)
            return values.sigmoid() if self.head == "sigmoid" else values

        (signal,) = torch.autograd.grad(loss(activated(outputs)), outputs)
        (gradient,) = torch.autograd.grad(loss(activated(inputs @ weights)), weights)
        predictions = activated(outputs).detach().requires_grad_()
        (by_prediction,) = torch.autograd.grad(loss(predictions), predictions)
        p = predictions.detach().numpy()
        error, true = p - targets.numpy(), signal.numpy()
        slope = 1.0 if self.head.startswith("raw") else p * (1 - p)  # of each output by its own logit
        return {
            "error_signal": away(error, true),
            "prediction_signal": away(by_prediction.numpy(), true),
            "elementwise_signal": away(by_prediction.numpy() * slope, true),
            "weight_gradient": away(inputs.numpy().T @ error, gradient.numpy()),
            "examples": float(len(true)),
            "times_error": float(np.median(true / error)),
            "error_of_others": away(np.roll(error, 1, 0), true),
        }


@dataclass(frozen=True)
class Typed(Task):
    """A formula of the documents, as it is typed there, on 200 random networks of its kind, against autograd.

    "relay" is A's, for the first weight of three layers of one unit each, with a sigmoid and with ReLU. "example" is
    B's code for two ReLU units and a sigmoid.
    """

    formula: str
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def gives(self) -> Mapping[str, Metric]:
        more = {"without_error": Metric(promised=True, label="largest gradient where the prediction is the target")}
        known = {"typed": Metric(promised=True, label="difference of the formula from autograd", cases="networks"),
                 "networks": Metric(promised=True, label="random networks")}  # fmt: skip
        return known | (more if self.formula == "relay" else {})

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            rng = stream(seed, "networks of one formula")
            made = [(self.relay if self.formula == "relay" else self.example)(rng, case % 2) for case in range(200)]
            found = {name: max(each[name] for each in made) for name in made[0]}
            yield Replicate(seed, found | {"networks": 200.0})

    def relay(self, rng: np.random.Generator, case: int) -> dict[str, float]:
        import torch

        phi, slope = BY_HAND[("sigmoid", "relu")[case]]
        w1, w2, w3, b1, b2, b3, x, y = rng.standard_normal(8)
        z1 = np.array(w1 * x + b1)
        z2 = np.array(w2 * phi(z1) + b2)
        y_hat = w3 * phi(z2) + b3
        leaves = [
            torch.tensor(float(each), dtype=torch.float64, requires_grad=True) for each in (w1, w2, w3, b1, b2, b3)
        ]
        v1, v2, v3, c1, c2, c3 = leaves
        unit = (torch.sigmoid, torch.relu)[case]
        output = v3 * unit(v2 * unit(v1 * x + c1) + c2) + c3
        gradient = torch.autograd.grad((output - y) ** 2 / 2, leaves, retain_graph=True)[0]
        nothing = torch.autograd.grad((output - output.detach()) ** 2 / 2, leaves)
        ours = np.array((y_hat - y) * w3 * slope(z2) * w2 * slope(z1) * x)
        return {"typed": away(ours, gradient.numpy()), "without_error": max(float(each.abs()) for each in nothing)}

    def example(self, rng: np.random.Generator, y: int) -> dict[str, float]:
        import torch

        x, W1, b1 = rng.standard_normal(3), rng.standard_normal((2, 3)), rng.standard_normal(2)
        w2, b2 = rng.standard_normal(2) / 2, rng.standard_normal() / 2  # else log(1 - yhat) loses digits now and then
        z1 = W1 @ x + b1
        h1 = np.maximum(z1, 0)
        yhat = sigmoid(w2 @ h1 + b2)
        delta2 = yhat - y
        delta1 = (w2 * delta2) * (z1 > 0).astype(float)
        ours = [np.outer(delta1, x), delta1, delta2 * h1, np.array(delta2)]
        leaves = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in (W1, b1, w2, b2)]
        prediction = torch.sigmoid(leaves[2] @ torch.relu(leaves[0] @ torch.from_numpy(x) + leaves[1]) + leaves[3])
        loss = -(y * torch.log(prediction) + (1 - y) * torch.log(1 - prediction))
        gradients = torch.autograd.grad(loss, leaves)
        return {"typed": max(away(one, other.numpy()) for one, other in zip(ours, gradients, strict=True))}


@dataclass(frozen=True)
class Update(Task):
    """The second of two steps of torch's optimisers on 20-32-1 with two heads, of which it uses the first alone.

    Both heads are on the path of the first step, which momentum remembers; a third layer is frozen. Targets are normal.
    """

    optimizer: str = "sgd"
    clearing: str = "none"
    batch: int = 32
    hidden: str = "relu"
    rate: float = 0.001
    imports: ClassVar[tuple[str, ...]] = ("torch",)

    def gives(self) -> Mapping[str, Metric]:
        return {
            "update_difference": Metric(promised=True, label="difference of the step from rate times gradient"),
            "without_gradient": Metric(promised=True, label="weight matrices and biases on the path without gradient"),
            "still_on_path": Metric(promised=True, label="numbers on the path that did not move", meaning="of 705"),
            "moved_off_path": Metric(promised=True, label="numbers off the path that moved", meaning="of 33"),
            "moved_before": Metric(promised=True, label="numbers off the path that moved when they were on it",
                                   meaning="of 33, in the step before"),
            "moved_frozen": Metric(promised=True, label="frozen numbers that moved"),
            "loss_change": Metric(promised=True, unit="%", label="relative change of the batch's loss"),
            "first_order": Metric(promised=True, label="change of the loss over that of a straight line"),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        for seed in seeds:
            yield Replicate(seed, self.second_step(stream(seed, "two heads")))

    def second_step(self, rng: np.random.Generator) -> dict[str, float]:
        import torch

        def layer(fan_in: int, fan_out: int) -> list[Tensor]:
            """Weights and biases as PyTorch draws them."""
            bound = 1 / math.sqrt(fan_in)
            return [torch.from_numpy(rng.uniform(-bound, bound, shape)) for shape in ((fan_in, fan_out), (fan_out,))]

        trunk, used, other, frozen = layer(20, 32), layer(32, 1), layer(32, 1), layer(32, 32)
        inputs, targets = (torch.from_numpy(rng.standard_normal((self.batch, size))) for size in (20, 1))
        everything, on_path = [*trunk, *used, *other, *frozen], [*trunk, *used]
        for each in (*trunk, *used, *other):
            each.requires_grad_()
        kinds: Mapping[str, Callable[[], torch.optim.Optimizer]] = {
            "sgd": lambda: torch.optim.SGD(everything, self.rate),
            "momentum": lambda: torch.optim.SGD(everything, self.rate, momentum=0.9),
            "decay": lambda: torch.optim.SGD(everything, self.rate, weight_decay=0.01),
            "adam": lambda: torch.optim.Adam(everything, self.rate / 100),  # 0.001 where SGD has 0.1, as is customary
            "adamw": lambda: torch.optim.AdamW(everything, self.rate / 100),
        }
        optimizer = kinds[self.optimizer]()

        def loss(*heads: list[Tensor]) -> Tensor:
            hidden = getattr(torch, self.hidden)(inputs @ trunk[0] + trunk[1]) @ frozen[0] + frozen[1]
            return sum(((hidden @ weight + bias - targets) ** 2).mean() / 2 for weight, bias in heads)  # type: ignore

        def kept(tensors: list[Tensor]) -> Tensor:
            return torch.cat([each.detach().flatten() for each in tensors]).clone()

        first = kept(other)
        torch.autograd.backward(loss(used, other))
        optimizer.step()
        optimizer.zero_grad(set_to_none=self.clearing == "none")
        before, value = [kept(each) for each in (on_path, other, frozen)], loss(used)
        torch.autograd.backward(value)
        gradient = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in on_path])
        optimizer.step()
        after, change = [kept(each) for each in (on_path, other, frozen)], float(loss(used).detach() - value.detach())
        moved = [float((one != two).sum()) for one, two in zip(before, after, strict=True)]
        return {
            "update_difference": away(after[0].numpy(), (before[0] - self.rate * gradient).numpy()),
            "without_gradient": float(sum(each.grad is None for each in on_path)),
            "still_on_path": len(before[0]) - moved[0],
            "moved_off_path": moved[1],
            "moved_before": float((first != before[1]).sum()),
            "moved_frozen": moved[2],
            "loss_change": change / float(value.detach()),
            "first_order": change / -float(self.rate * gradient.square().sum()),
        }


ACTIVATIONS = tuple(BY_HAND)
PLAIN = tuple(each for each in BY_HAND if each != "prelu")
CONTROLS: Mapping[str, Task] = {
    "no-slope": Equations("sigmoid", broken="no slope"),
    "other-data": Equations("tanh", broken="other data"),
    "tiny-step": Update(rate=1e-6),
}
CASES: Mapping[str, Task] = {
    "softmax-output": OutputSignal("softmax"),
    "sigmoid-output": OutputSignal("sigmoid"),
    "raw-output": OutputSignal("raw"),
    "raw-output-mse": OutputSignal("raw-mse"),
    "relay": Typed("relay"),
    "worked-example": Typed("example"),
}


def configure(
    case: str, init: str, head: str, optimizer: str, clearing: str, batch: int, hidden: str, rate: str
) -> Task:
    if case in BY_HAND:
        return Equations(case, init, head)
    if case.startswith("step"):
        own = case.removeprefix("step-") if "-" in case else optimizer
        return Update(own, clearing, batch, hidden, {"small": 0.001, "customary": 0.1, "large": 10.0}[rate])
    return {**CASES, **CONTROLS}[case]


def of(metric: str, *cases: str, join: Any = "max") -> Number:
    return Number(metric, cases, {}, join if len(cases) > 1 else "only", "only")


def always(name: str, text: str, number: Number, guards: tuple[str, ...] = (), **region: Any) -> Control:
    cells = tuple({"case": case} for case in number.arms if case in CONTROLS)
    return Control(name, text, number, cells=cells, kind="always", guards=guards, **region)


A, UPDATE = "A (Linear Regression Model)", "A (Linear Regression Model, Parameter Update)"
EXACT = 1e-10  # a million roundings
BY_EQUATIONS = "four-equations", "relay-one-unit", "worked-example", "written-out-passes"
SIGNALS = (
    "delta-softmax", "delta-sigmoid", "delta-regression", "delta-regression-mse", "delta-by-prediction",
    "delta-by-prediction-regression", "output-error-elementwise", "output-error-elementwise-softmax",
)  # fmt: skip
MOVES = "on-path-all", "on-path-all-move", "on-path-only", "off-path-momentum-and-decay"
STUDY = Study(
    name="backpropagation",
    question="Are four lines all of backpropagation, and what does a step with their gradients move?",
    passage="A (Linear Regression Model, Backpropagation, Parameter Update), B 4.1, 4.2, 6.1, 6.2, Q3",
    says="The signal at the output is prediction less target, each layer passes it on by its weights and slopes, and "
    "that is all. PyTorch does just this; a step moves what is on the path of computation alone and reduces the error.",
    configure=configure,
    same_as={  # the names inside comprehensions count no longer
        "5c6f9f2c2968c9fa6635c946e3385ccedc385c69b9b8e533fa253989fe906e02":
        "311b3ba1e11bf2d552585d1adf22cfed850f699c63fa93910596373b9341cc93",
        "511b6b8be9e0ffda4816d3e9159de669da7e5b74d4f3a7d1b169e4a91484f034":
        "98bf71aa11ecf7d59ba525be62e8e2cd8f028c34a722a44bca4c51ac44aaacd1",
        "68b0edd416ec819f4ad8e4d66ad9b1d4da6a08b80f413e033c0545a96c72445f":
        "3839012eb8a27906c69a5bdc8ef5d7738529057b22737e5ffbf022ee4f84e78c",
    },
    arms=Factor("case", (*ACTIVATIONS, *CASES, "step", "step-momentum", "step-decay"), words={
        "relu": "ReLU", "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU", "silu": "SiLU", "gelu": "GELU",
        "relu6": "ReLU6", "hardswish": "Hardswish",
    }),
    blocks=(),
    choices=(
        Factor("init", ("default", "he", "xavier"), "initialisation"),
        Factor("head", ("softmax", "sigmoid", "raw"), "output", "with a {} output", {"raw": "linear"}),
        Factor("optimizer", ("sgd", "momentum", "decay", "adam", "adamw"), "optimiser", "with {}", {
            "sgd": "SGD", "decay": "SGD with weight decay", "momentum": "SGD with momentum", "adam": "Adam",
            "adamw": "AdamW"}),
        Factor("clearing", ("none", "zero"), "cleared gradients", "with gradients cleared to {}", {
            "none": "nothing", "zero": "zeros"}),
        Factor("batch", (32, 1), "batch size", "in batches of {}", {1: "one"}),
        Factor("hidden", ("relu", "tanh"), "hidden units", "with {} units", {"relu": "ReLU"}),
        Factor("rate", ("small", "customary", "large"), phrase="at a rate of {}", words={"small": "0.001",
               "customary": "0.1", "large": "10"}),
    ),
    universes=(
        *crossed(init=("default", "he", "xavier"), head=("softmax", "sigmoid", "raw")),
        *crossed(optimizer=("sgd", "momentum", "decay", "adam", "adamw"), clearing=("none", "zero")),
        *crossed(batch=(32, 1), hidden=("relu", "tanh")),
        {"rate": "customary"},
        {"rate": "large"},
    ),
    universe_reasons="Equations: every start and output of the documents. Steps: the optimisers in use, both ways in "
    "which PyTorch clears gradients, one example a step, a saturating unit, and what a small step is. The signal at "
    "the output and formulas for one network leave nothing open. Left out: starts whose numbers overflow.",
    tiers={"full": Tier(seeds=20, first_seed=200), "smoke": Tier(seeds=2)},
    headline=("by_equations", "error_signal", "moved_off_path"),
    controls=(
        always("same-loss", "Exact: the loss by NumPy is that of torch.", of("loss_difference", *ACTIVATIONS),
               BY_EQUATIONS, below=EXACT),
        always("slopes-are-needed", "An effect that must show: without the slopes the equations are wrong.",
               of("by_equations", "no-slope"), BY_EQUATIONS, above=0.01),
        always("other-data", "An effect that must show: on other data the loss has another slope.",
               of("by_slope", "other-data"), ("autograd-is-the-slope",), above=0.01),
        always("other-examples", "An effect that must show: the errors of other examples are not the signal.",
               of("error_of_others", *tuple(CASES)[:4], join="min"), SIGNALS, above=0.01),
        always("frozen-stays", "Exact: what needs no gradient does not move.", of("moved_frozen", "step"), MOVES,
               below=0.5),
        always("moves-when-on-path", "An effect that must show: what is off the path now moved when it was on it.",
               of("moved_before", "step", "step-momentum", "step-decay", join="min"), MOVES, above=32.5),
        always("straight-line", "Exact: a tiny step changes the loss by rate times squared gradient, to a thousandth.",
               of("first_order", "tiny-step"), ("small-step-descends",), above=0.999, below=1.001),
    ),
    claims=(
        Claim("four-equations", "The four equations give autograd's gradients, with every activation at every depth.",
              "A, B 4.1, 6.2, Q3", "identity", of("by_equations", *ACTIVATIONS), below=EXACT),
        Claim("written-out-passes", "The passes that this project has written out give autograd's too.", "project",
              "identity", of("written_out", *PLAIN), below=EXACT),
        # of a loss near 2 a difference over 1e-6 is known to some 1e-9, beside gradients of a tenth or more
        Claim("autograd-is-the-slope", "A gradient is what the loss changes by when a weight is changed slightly.",
              "A, B 6.1", "identity", of("by_slope", *ACTIVATIONS), below=1e-6),
        Claim("worked-example", "B's code for two ReLU units and a sigmoid gives autograd's gradients.", "B 4.2",
              "identity", of("typed", "worked-example"), below=EXACT),
        Claim("relay-one-unit", "With a unit a layer the first gradient is (ŷ - y) w₃ σ'(z₂) w₂ σ'(z₁) x.", A,  # noqa: RUF001
              "identity", of("typed", "relay"), below=EXACT),
        Claim("no-error-no-feedback", "All feedback is from the error: without one all gradients are 0.", A, "identity",
              of("without_error", "relay"), below=1e-30),
        Claim("delta-softmax", "With softmax and cross-entropy the output's signal is prediction less target.",
              "A, B 4.1", "identity", of("error_signal", "softmax-output"), below=EXACT),
        Claim("delta-sigmoid", "With a sigmoid and binary cross-entropy the signal is prediction less target.",
              "A, B 4.1", "identity", of("error_signal", "sigmoid-output"), below=EXACT),
        Claim("delta-regression", "With half the squared error the output's signal is prediction less target.", A,
              "identity", of("error_signal", "raw-output"), below=EXACT),
        Claim("gradient-of-linear-model", "With half the squared error a linear model's gradient is error times input.",
              A, "identity", of("weight_gradient", "raw-output"), below=EXACT),
        Claim("delta-regression-mse", "With the squared error itself the signal is prediction less target.", "B 4.1",
              "identity", of("error_signal", "raw-output-mse"), below=EXACT),
        Claim("half-decides", "With the squared error itself it is twice prediction less target.", "project", "always",
              of("times_error", "raw-output-mse"), above=2 - EXACT, below=2 + EXACT),
        Claim("output-error-elementwise", "Of a sigmoid or linear output the signal is loss slope times unit slope.",
              "A (Backpropagation)", "identity", of("elementwise_signal", "sigmoid-output", "raw-output"), below=EXACT),
        Claim("output-error-elementwise-softmax", "Of a softmax output the signal is loss slope times unit slope.",
              "A (Backpropagation)", "identity", of("elementwise_signal", "softmax-output"), below=EXACT),
        Claim("delta-by-prediction", "Of a softmax or sigmoid the signal is the loss's slope by the prediction.",
              "B 6.2", "identity", of("prediction_signal", "softmax-output", "sigmoid-output"), below=EXACT),
        Claim("delta-by-prediction-regression", "Of a regression the signal is the loss's slope by the prediction.",
              "B 6.2", "identity", of("prediction_signal", "raw-output"), below=EXACT),
        Claim("sgd-update", "A step subtracts rate times gradient from each parameter on the path.", UPDATE, "identity",
              of("update_difference", "step"), below=1e-14),  # a hundred roundings
        Claim("on-path-all", "Every parameter on the path has a gradient of its own.", A, "always",
              of("without_gradient", "step"), below=0.5),
        Claim("on-path-all-move", "Every number on the path is updated in the same step.", A, "always",
              of("still_on_path", "step"), below=0.5),
        Claim("on-path-only", "Only parameters on the path are updated.", A, "always",
              of("moved_off_path", "step"), below=0.5),
        Claim("off-path-momentum-and-decay", "Momentum and weight decay move parameters that are off the path.",
              "project", "always", of("moved_off_path", "step-momentum", "step-decay", join="min"), above=0.5),
        Claim("small-step-descends", "A small step against the gradient reduces the error.", UPDATE, "always",
              of("loss_change", "step"), below=0.0),
    ),
)  # fmt: skip
CAPTIONS = {
    "gradients": "How far gradients are from autograd's at each depth: by the four equations, by the passes that are "
    "written out in this project, and by differences of the loss. A dot is the worst network of all seeds with an "
    "activation. Below a dashed line is equality, up to rounding.",
    "signals": "How far what is said of the output's signal is from autograd's: the worst of all seeds; none at all is "
    "drawn at the left edge. Left of the dashed line it is so; right of it, it is not.",
}


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    least, places = 1e-18, tables.profiles[tables.profiles["case"].isin(ACTIVATIONS)]
    gradients, panels = plt.subplots(1, 3, figsize=(7.4, 2.8), sharey=True)
    told = {
        "hand_at_depth": "four equations",
        "written_at_depth": "written-out passes",
        "slope_at_depth": "differences of the loss",
    }
    for ax, (metric, title) in zip(panels, told.items(), strict=True):
        worst = places.groupby(["place", "case"])[metric].max().dropna().clip(lower=least).reset_index()
        at = worst["place"].map(DEPTHS.index) + worst["case"].map(ACTIVATIONS.index) * 0.05 - 0.25
        ax.plot(at, worst[metric], "o", color="#0173b2", alpha=0.6, markersize=3.5)
        ax.axhline(1e-6 if metric == "slope_at_depth" else EXACT, color="black", linestyle="--", linewidth=0.8)
        ax.set_yscale("log")
        ax.set_xticks(range(len(DEPTHS)), [str(depth) for depth in DEPTHS])
        ax.set_title(title)
    panels[1].set_xlabel("hidden layers")
    panels[0].set_ylabel("difference")
    signals, ax = plt.subplots(figsize=(6.4, 3.4))
    sentences = {"error_signal": "prediction less target", "prediction_signal": "slope by the prediction",
                 "elementwise_signal": "that times the activation's slope"}  # fmt: skip
    outputs = {"softmax-output": "softmax, cross-entropy", "sigmoid-output": "sigmoid, cross-entropy",
               "raw-output": "linear, half the square", "raw-output-mse": "linear, square"}  # fmt: skip
    for (metric, sentence), marker, colour in zip(
        sentences.items(), "osD", ("#0173b2", "#de8f05", "#029e73"), strict=True
    ):
        found = tables.runs.groupby("case")[metric].max().reindex(list(outputs)).clip(lower=least)
        ax.plot(found, [row + {"o": -0.2, "s": 0.0, "D": 0.2}[marker] for row in range(4)], marker, color=colour,
                label=sentence, markersize=5)  # fmt: skip
    ax.axvline(EXACT, color="black", linestyle="--", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_yticks(range(4), list(outputs.values()))
    ax.invert_yaxis()
    ax.set_xlabel("difference from the signal")
    signals.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return {"gradients": gradients, "signals": signals}


def notes(found: Results) -> str:
    """What to conclude and what is known about why, from the tables."""
    from research.publishing.prose import listing, number, of

    assert found.universe_runs is not None
    signals = found.runs.groupby("case")[["elementwise_signal", "times_error"]].median()
    steps = found.universe_runs.query("case == 'step'")
    moved = steps[steps["clearing"] == "zero"].groupby("optimizer")["moved_off_path"].max()
    words = dict(STUDY.choices[2].words)
    movers = listing(words.get(name, name) for name in words if moved[name] > 0)
    resting = steps.query("batch == 1 and hidden == 'relu'")["still_on_path"]
    return f"""
### What to conclude

**The equations are right, and so is this project's code.** What is typed from the documents, autograd and the passes
that are written out here agree to rounding, with {of(len(ACTIVATIONS), len(BY_HAND))} activations at every depth.

**The first line is where care is needed.** Prediction less target is right for a softmax and a sigmoid with their
cross-entropy, and for the squared error with a half in front; for the squared error itself, which PyTorch's MSELoss
computes, it is off by a factor of {number(signals["times_error"]["raw-output-mse"])}. Loss slope times unit slope,
number by number, is wrong for a softmax, whose outputs depend on each other's logits. The slope by the prediction is
the signal only where prediction and logit are the same.

**What moves.** A parameter off the path is left alone because PyTorch clears gradients to nothing, and its optimisers
pass over what has none. Where gradients are cleared to zeros instead, {movers} move it. On the path a unit of ReLU that
is off for the whole batch keeps its weights: in batches of one example about half of all stay
({number(resting.median())} numbers, the median).
"""
