"""Does it matter that all gradients are computed before any weight is updated?

Question. Document A calls it critically important: backward() leaves every value as it is, all updates are computed
from one snapshot of the model; whoever updates layers while gradients are computed lets earlier updates interfere with
later gradients, and "the entire mathematical logic" breaks down.

Cost. Full tier: networks of four depths in two orders, 20 seeds each, and single steps in seconds.

What to expect. Whether a layer's update interferes with the gradients of layers below depends on whether the signal
goes back through the weights before or after it. Updated weights are off by the rate times their gradient, so the
gradients below are off in proportion to the rate: a second-order effect in the weights, which need not break anything
at rates at which training works. And an update during backward() is harmless where the signal has passed already: so do
the optimisers in backward() that save memory for large models, through torch's hooks.

"As you go" is the loop that A warns of, from the last layer to the first: a layer's gradient, its update, then the
signal for the layer below by the new weights. Networks have 2, 8 and 24 hidden layers of 64 ReLU units under He's
start, which keeps signals of deep ones alive, and see 10,000 images of MNIST for five epochs at the customary rate, so
that all are affordable. Of thousands of layers, which need skips and normalisation too, nothing is said. Training
breaks down where it costs ten points of test accuracy; that it works with a snapshot is a claim of its own. All was
fixed before any run but smoke. One fault was mended later: a first version promised a number where a gradient as you go
is too large for a float, as it is through 24 layers in a seed of twenty, and stopped there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig
from research.training.network_task import NetworkTask

if TYPE_CHECKING:
    from torch import Tensor

    from research.training.module import StackModule

DEPTHS = (2, 8, 24)
STEPS = tuple(f"step-{depth}" for depth in DEPTHS)
ORDERS = ("snapshot", "as-you-go")
SHUFFLED, STILL = "snapshot-2-shuffled", "step-8-still"
EXACT = 1e-10
NOTHING = 1e-30
TOO_LARGE = (1.0, math.inf)  # how far a gradient is off that is too large for a float
TWIN_STEPS = 20  # in which rounding has not grown in 24 layers
ONE_CLASS = (0.0, 0.1135)  # test accuracy of what diverged: at most the share of the most frequent digit


def slopes(activation: str, z: Tensor) -> Tensor:
    return (z > 0).to(z) if activation == "relu" else 1 - z.tanh().square()


def ordered_step(
    layers: Sequence[tuple[Tensor, Tensor]], inputs: Tensor, targets: Tensor, rate: float, order: str, activation: str
) -> tuple[Tensor, list[Tensor]]:
    """Take a step of gradient descent on cross-entropy; the mean losses [R], and the weights' gradients as they were.

    Weights [R, fan_in, fan_out] and biases [R, 1, fan_out] are changed in their place, for inputs [R, B, D] and classes
    [R, B]. "as-you-go" updates each layer before the signal goes back through it, "snapshot" all at the end.
    """
    import torch

    hidden, zs = [inputs], []
    for weight, bias in layers:
        zs.append(torch.baddbmm(bias, hidden[-1], weight))
        hidden.append(zs[-1].relu() if activation == "relu" else zs[-1].tanh())
    log_p = zs[-1].log_softmax(2)
    signal = (log_p.exp() - torch.nn.functional.one_hot(targets, log_p.shape[2])) / inputs.shape[1]
    found: list[tuple[Tensor, Tensor]] = []
    for place in range(len(layers) - 1, -1, -1):
        weight, bias = layers[place]
        gradients = hidden[place].transpose(1, 2) @ signal, signal.sum(1, keepdim=True)
        found.insert(0, gradients)
        if order == "as-you-go":
            weight -= rate * gradients[0]
            bias -= rate * gradients[1]
        if place:
            signal = (signal @ weight.transpose(1, 2)) * slopes(activation, zs[place - 1])
    if order == "snapshot":
        for own, gradients in zip(layers, found, strict=True):
            for parameter, gradient in zip(own, gradients, strict=True):
                parameter -= rate * gradient
    losses = -log_p.gather(2, targets[..., None])[..., 0].mean(1)
    return losses, [gradient for gradient, _ in found]


@dataclass(frozen=True)
class OnImages(NetworkTask):
    """What both tasks share: a network of these fields, and the images that it sees."""

    words: ClassVar[Mapping[str, str]] = {"lr": "learning rate", "init": "initialisation"}

    depth: int
    activation: str = "relu"
    init: str = "he"
    lr: float = 0.1
    batch_size: int = 128
    epochs: int = 5
    labels: str = "true"
    width: int = 64
    num_train: int = 10_000
    dataset: str = "mnist"

    @property
    def network(self) -> TrainConfig:
        names = ("depth", "activation", "init", "lr", "batch_size", "epochs", "labels", "width", "num_train", "dataset")
        return TrainConfig(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True)
class Training(OnImages):
    """A network that is trained in one of the two orders."""

    order: str = "snapshot"

    def gives(self) -> Mapping[str, Metric]:
        known = self.network.gives()
        return {
            "steady_test_accuracy": known["steady_test_accuracy"],
            "steady_test_loss": known["steady_test_loss"],
            "alone_difference": Metric("difference from plain PyTorch, one network alone, with all updates at the end",
                                       f"in float64, after {TWIN_STEPS} steps", is_trained=False),
        }  # fmt: skip

    def seconds(self, num_seeds: int) -> float:
        return 2 * self.network.seconds(num_seeds)

    def seeds_together(self, seeds: int) -> int:
        return self.network.seeds_together(seeds)

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import torch

        from research.training.cost import num_steps
        from research.training.data import load
        from research.training.evaluations import EndEvaluations
        from research.training.module import StackModule
        from research.training.plain import plain_parameters
        from research.training.train import prepare, weights_sha256

        prepare(self.network)
        data, steps = load(self.dataset), num_steps(self.network)
        module = StackModule(self.network, seeds, data)
        ends = EndEvaluations(module, [steps])
        losses = self.train(module, steps)
        report(0.9)
        found = ends.steady(steps)
        twin = StackModule(self.network, seeds, data, torch.float64)
        self.train(twin, TWIN_STEPS)
        for row, seed in enumerate(seeds):
            theirs = plain_parameters(self.network, seed, data, TWIN_STEPS)
            pairs = zip(twin.model.parameters(), theirs, strict=True)
            apart = max(float((ours[row].detach().flatten() - own.flatten()).abs().max()) for ours, own in pairs)
            numbers = {name: float(found[name][row]) for name in ("steady_test_accuracy", "steady_test_loss")}
            if not losses[:, row].isfinite().all():
                numbers["diverged_step"] = float((~losses[:, row].isfinite()).int().argmax())
            yield Replicate(seed, {**numbers, "alone_difference": apart}, weights_sha256=weights_sha256(module, row))

    def train(self, module: StackModule, steps: int) -> Tensor:
        """Take so many steps with a module's networks; the losses [steps, R] of their batches."""
        import torch

        from research.training.models import StackedMLP

        assert isinstance(module.model, StackedMLP)
        layers, losses = list(zip(module.model.weights, module.model.biases, strict=True)), []
        with torch.no_grad():
            for step in range(steps):
                inputs, targets = module.lookup(module.indices_of(step))
                losses.append(ordered_step(layers, inputs, targets, self.lr, self.order, self.activation)[0])
                module.after_step(step + 1)
        return torch.stack(losses)


@dataclass(frozen=True)
class FirstStep(OnImages):
    """The first step of a network in float64: what torch's backward() and SGD do, and what updating as you go does.

    `interference` is how far the first layer's gradient is off as you go, over its norm; `proportion` the logarithm of
    the factor by which that falls where the rate is a tenth, in tenfolds. Neither is known where a gradient as you go
    is too large for a float. `by_formula` holds the gradient of the last hidden layer to what follows from the new
    weights of the output, by hand.
    """

    def gives(self) -> Mapping[str, Metric]:
        def known(label: str, cases: str = "") -> Metric:
            return Metric(label=label, promised=True, cases=cases)

        return {
            "backward_moved": known("change of any value by backward()", "numbers"),
            "without_gradient": known("weight matrices and biases without gradient after backward()"),
            "step_difference": known("difference of SGD's step from single updates, in any order, by the snapshot's "
                                     "gradients", "numbers"),
            "in_backward_difference": known("difference of updates in backward(), by hooks, from a step after it",
                                            "numbers"),
            "numbers": known("weights and biases"),
            "refused": known("whether torch refuses to go back through a weight that was changed"),
            "interference": Metric("change of the first layer's gradient as you go, over its norm"),
            "proportion": Metric("tenfolds by which that is smaller at a tenth of the rate"),
            "by_formula": known("difference of a gradient as you go from the formula"),
            "interference_below": Metric("change of a layer's gradient as you go, over its norm", by="place"),
        }  # fmt: skip

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        from research.training.data import load
        from research.training.plain import plain_batches, plain_train

        data = load(self.dataset)
        for done, seed in enumerate(seeds):
            batch = next(plain_batches(self.network, seed, plain_train(self.network, seed, data)))
            inputs, targets = data.inputs[batch].double() / data.info.max_value, data.targets[batch]
            found = self.by_torch(seed, inputs, targets)
            more, profile = self.by_hand(seed, inputs, targets)
            yield Replicate(seed, found | more, {}, {"interference_below": profile})
            report((done + 1) / len(seeds))

    def by_torch(self, seed: int, inputs: Tensor, targets: Tensor) -> dict[str, float]:
        import torch

        from research.training.plain import plain_network

        def prepared() -> tuple[list[Tensor], Tensor, torch.nn.Sequential]:
            network = plain_network(self.network, seed)
            return list(network.parameters()), torch.nn.functional.cross_entropy(network(inputs), targets), network

        def gap(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
            return max(float((one - other).abs().max()) for one, other in zip(ours, theirs, strict=True))

        parameters, loss, _ = prepared()
        before = [each.detach().clone() for each in parameters]
        snapshot = torch.autograd.grad(loss, parameters, retain_graph=True)
        loss.backward()  # type: ignore[no-untyped-call]
        found = {"backward_moved": gap(before, [each.detach() for each in parameters])}
        found["without_gradient"] = float(sum(each.grad is None for each in parameters))
        torch.optim.SGD(parameters, self.lr).step()
        after = [each.detach().clone() for each in parameters]
        one_by_one = [each.clone() for each in before]
        for place in stream(seed, "order of updates").permutation(len(parameters)):
            one_by_one[place] -= self.lr * snapshot[place]
        found["step_difference"] = gap(after, one_by_one)

        parameters, loss, _ = prepared()
        for each in parameters:

            def update(parameter: Tensor) -> None:
                torch.optim.SGD([parameter], self.lr).step()
                parameter.grad = None

            each.register_post_accumulate_grad_hook(update)  # type: ignore[no-untyped-call]
        loss.backward()  # type: ignore[no-untyped-call]
        found["in_backward_difference"] = gap(after, [each.detach() for each in parameters])

        parameters, loss, network = prepared()
        with torch.no_grad():
            network[-1].weight -= self.lr * network[-1].weight  # type: ignore[operator, assignment]
        try:
            loss.backward()  # type: ignore[no-untyped-call]
            found["refused"] = 0.0
        except RuntimeError as error:
            found["refused"] = float("modified by an inplace operation" in str(error))
        return found | {"numbers": float(sum(each.numel() for each in before))}

    def by_hand(
        self, seed: int, inputs: Tensor, targets: Tensor
    ) -> tuple[dict[str, float], tuple[tuple[int, float], ...]]:
        import torch

        from research.training.models import StackedMLP

        def step(order: str, rate: float) -> list[Tensor]:
            model = StackedMLP(self.network, [seed], torch.float64)
            layers = list(zip(model.weights, model.biases, strict=True))
            with torch.no_grad():
                return ordered_step(layers, inputs[None], targets[None], rate, order, self.activation)[1]

        old = step("snapshot", self.lr)
        new = step("as-you-go", self.lr)
        less = step("as-you-go", self.lr / 10)

        def off(gradients: Sequence[Tensor], place: int) -> float:
            return float((gradients[place] - old[place]).norm() / old[place].norm())

        # what the last hidden layer's gradient changes by: signal times the change of the output's weights, slopes
        model = StackedMLP(self.network, [seed], torch.float64)
        with torch.no_grad():
            passed = list(model.layers(inputs[None]))
            signal = passed[-1][0].softmax(2) - torch.eye(10, dtype=torch.float64)[targets]
            lower = inputs[None] if len(passed) == 2 else passed[-3][1]
            moved = -self.lr * old[-1].transpose(1, 2)
            by_formula = lower.transpose(1, 2) @ (signal @ moved * slopes(self.activation, passed[-2][0])) / len(inputs)
        profile = tuple((below, off(new, len(new) - 1 - below)) for below in range(len(new)))
        return {
            "interference": off(new, 0),
            "proportion": math.log10(off(new, 0) / off(less, 0)) if off(less, 0) else math.nan,
            "by_formula": float((new[-2] - old[-2] - by_formula).abs().max() / old[-2].abs().max()),
        }, profile


def configure(case: str, rate: str, unit: str, batch: int, horizon: int) -> Task:
    order, _, rest = case.partition("-") if case.startswith("snap") else case.rpartition("-")
    if case.startswith("step"):
        order, rest = "step", case.removeprefix("step-").removesuffix("-still")
    common: dict[str, Any] = {
        "depth": int(rest.removesuffix("-shuffled")),
        "activation": unit,
        "init": "he" if unit == "relu" else "xavier",
        "lr": 0.0 if case == STILL else {"customary": 0.1, "tenth": 0.01, "tenfold": 1.0}[rate],
        "batch_size": batch,
    }
    if order == "step":
        return FirstStep(**common)
    return Training(**common, epochs=horizon, order=order, labels="shuffled" if case == SHUFFLED else "true")


def of(metric: str, *cases: str, join: Any = "max", missing: tuple[float, float] = (0.0, math.inf)) -> Number:
    return Number(metric, cases, {}, join if len(cases) > 1 else "only", "only", missing)


def cost(depth: int) -> Number:
    """By how much test accuracy is lower as you go than with a snapshot."""
    return of("steady_test_accuracy", f"snapshot-{depth}", f"as-you-go-{depth}", join="difference", missing=ONE_CLASS)


def extra(*cases: str) -> tuple[dict[str, str], ...]:
    return tuple({"case": case} for case in cases)


A = "A (Linear Regression Model)"
BREAKS = "as-you-go-breaks", "as-you-go-breaks-shallow", "snapshot-trains"
TRAINED = tuple(f"{order}-{depth}" for order in ORDERS for depth in DEPTHS)
FLAT = tuple(f"{order}-0" for order in ORDERS)
CLEARLY = "ten points of test accuracy count as breaking down"
STUDY = Study(
    name="snapshot_updates",
    question="Does it matter that all gradients are computed before any weight is updated?",
    passage="A (Linear Regression Model)",
    says="During backpropagation all values stay as they are; all updates are computed from the same snapshot. If "
    "gradients were computed and parameters updated at once, earlier updates would interfere with later gradients and "
    "the mathematics would break down.",
    configure=configure,
    arms=Factor("case", (*TRAINED, *STEPS), words={name: name.replace("as-you-go", "as you go") for name in TRAINED}),
    blocks=(),
    choices=(
        Factor("rate", ("customary", "tenth", "tenfold"), phrase="at {} rate",
               words={"customary": "the customary", "tenth": "a tenfold lower", "tenfold": "a tenfold higher"}),
        Factor("unit", ("relu", "tanh"), phrase="with {}", words={"relu": "ReLU"}),
        Factor("batch", (128, 16), phrase="in batches of {}"),
        Factor("horizon", (5, 15), phrase="at a horizon of {} epochs"),
    ),
    universes=({"rate": "tenth"}, {"rate": "tenfold"}, {"unit": "tanh"}, {"batch": 16}, {"horizon": 15}),
    universe_reasons="What the document leaves open, each alone: the rate, to which interference is in proportion, and "
    "the unit, with Xavier's start where it is tanh; smaller batches, whose gradients are larger; and a longer "
    "training. Left out: momentum and Adam, of which as you go has no one meaning, and networks with skips.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, overrides={"num_train": 1000},
                      levels={"case": ("snapshot-2", "as-you-go-2", *STEPS), "horizon": (5,)}),
    },
    headline=("steady_test_accuracy", "interference"),
    controls=(
        Control("as-in-plain-pytorch", "With a snapshot networks train as they do alone in plain PyTorch: after 20 "
                "steps in float64 no weight differs.", of("alone_difference", *(f"snapshot-{d}" for d in DEPTHS)),
                below=1e-6, kind="identity", guards=BREAKS),
        Control("as-you-go-is-another", "An effect that must show: as you go, after 20 steps, weights differ from it.",
                of("alone_difference", "as-you-go-2"), above=1e-6, kind="always",
                guards=BREAKS),
        Control("nothing-below", "An effect that must not show: without hidden layers the order makes no difference.",
                of("steady_test_loss", *FLAT, join="difference"), below=NOTHING, kind="identity", guards=BREAKS,
                cells=extra(*FLAT)),
        Control("nothing-to-learn", "An effect that must not show: trained on labels dealt out at random, it is at "
                "chance.", of("steady_test_accuracy", SHUFFLED, missing=(0.0, 1.0)), above=0.07, below=0.13,
                guards=BREAKS, cells=extra(SHUFFLED)),
        Control("gradients-exist", "After backward() every weight and bias has a gradient.",
                of("without_gradient", *STEPS), below=0.5, kind="always",
                guards=("backward-changes-nothing", "one-snapshot", "in-backward-is-the-same")),
        Control("still", "An effect that must not show: at a rate of 0 nothing interferes.", of("interference", STILL),
                below=NOTHING, kind="identity", guards=("as-you-go-differs", "in-proportion"), cells=extra(STILL)),
        Control("by-formula", "Exact: what the output's update changes in the layer below is what follows by hand.",
                of("by_formula", *STEPS), below=EXACT, kind="identity", guards=("as-you-go-differs", "in-proportion")),
    ),
    claims=(
        Claim("backward-changes-nothing", "backward() leaves every weight and bias as it is, to the bit.", A,
              "identity", of("backward_moved", *STEPS), below=NOTHING),
        Claim("one-snapshot", "A step updates every layer by the gradients of one snapshot, in whatever order.", A,
              "identity", of("step_difference", *STEPS), below=1e-14),  # a hundred roundings
        Claim("in-backward-is-the-same", "Updates in backward() itself, by torch's hooks, come to the same, to the "
              "bit.", "project", "identity", of("in_backward_difference", *STEPS), below=NOTHING),
        Claim("torch-refuses", "PyTorch refuses to go back through a weight that was changed.", "project", "always",
              of("refused", *STEPS, join="min"), above=0.5),
        # rounding is near 1e-15 of a gradient
        Claim("as-you-go-differs", "As you go, earlier updates interfere with later gradients.", A, "always",
              of("interference", *STEPS, join="min", missing=TOO_LARGE), above=1e-6),
        Claim("in-proportion", "How much they interfere is in proportion to the rate.", "project", "most",
              of("proportion", "step-8"), above=0.9, below=1.1, by_hand="a tenth of a tenfold"),
        Claim("snapshot-trains", "With a snapshot 24 hidden layers train: more than half of the test images are right.",
              "project", "most", of("steady_test_accuracy", "snapshot-24", missing=ONE_CLASS), above=0.5,
              by_hand="half of the images"),
        Claim("as-you-go-breaks", "Updating as you go makes the training of 24 hidden layers break down.", A, "most",
              cost(24), above=0.1, by_hand=CLEARLY),
        Claim("as-you-go-breaks-shallow", "It makes the training of two hidden layers break down.", A, "most",
              cost(2), above=0.1, by_hand=CLEARLY),
    ),
)  # fmt: skip
