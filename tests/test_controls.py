"""Each control fails where what it is about is broken: faults in copies of the package, seen through the command.

A fault is put into training, data, evaluation or recording, never into what the controls measure. The studies are
those of the project with six seeds of fewer and smaller examples, in the cells that the controls are about.
"""

import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from conftest import COMMAND, ROOT

from research.design.study_files import load_study, study_names

SMALL = '''"""Controls of a study of the project, on few and small examples, guarding a claim that always holds."""

from dataclasses import replace
from itertools import product

from research.design.study import Claim, Factor, Tier
from studies.{name} import STUDY as DECLARED


def configure(**levels):
    task = DECLARED.configure(**DECLARED.reference, **levels)
    return replace(task, **{{name: value for name, value in {overrides!r}.items() if hasattr(task, name)}})


def small(control):
    number, short = control.number, slice(2)  # of many widths or depths the first
    blocks = {{name: levels[short] for name, levels in number.blocks.items()}}
    return replace(control, cells=(), guards=(), number=replace(number, arms=number.arms[short], blocks=blocks))


def levels_of(name):
    return tuple(dict.fromkeys(level for one in CONTROLS for level in one.number.blocks[name]))


CONTROLS = tuple(small(control) for control in DECLARED.controls if control.name in {controls!r})
CELLS = [
    dict(zip((DECLARED.arms.name, *one.number.blocks), point))
    for one in CONTROLS for point in product(one.number.arms, *one.number.blocks.values())
]
GIVEN = {{metric for cell in CELLS for metric in configure(**cell).gives()}}
HEADLINE = tuple(metric for metric in DECLARED.headline if metric in GIVEN) or ("repeat_difference",)
STUDY = replace(
    DECLARED, name="small_{name}", headline=HEADLINE, configure=configure, choices=(), universes=(), tuning=None,
    amendments=(), main_effects=(), grids=tuple({{name: (level,) for name, level in cell.items()}} for cell in CELLS),
    arms=Factor(DECLARED.arms.name, tuple(dict.fromkeys(arm for one in CONTROLS for arm in one.number.arms))),
    blocks=tuple(Factor(block.name, levels_of(block.name)) for block in DECLARED.blocks),
    controls=CONTROLS,
    claims=(Claim("stands", "It is a number", "nowhere", "most", CONTROLS[0].number, above=-1e300),),
    tiers={{"full": Tier(seeds=6)}},
)
'''
DIGITS = {"dataset": "digits", "width": 32, "batch_size": 16, "epochs": 3}
OVERRIDES: Mapping[str, Mapping[str, object]] = {
    "activation_depth": DIGITS,
    "dead_relu": {**DIGITS, "num_train": 0},
    "depth_vs_width": {"num_train": 1000},
    "initialization": {"dataset": "digits", "batch_size": 16, "num_train": 0},
    "linear_collapse": {**DIGITS, "num_train": 0},
    "linear_regression": {"dataset": "digits", "batch_size": 16, "num_train": 0},
    "loss_convergence": {"dataset": "digits", "width": 32, "batch_size": 16, "lr": 0.3, "steps": 1000},
    "manifold_unfolding": {"num_train": 1000, "depth": 2},
    "memorization": {"steps": 2000, "evaluate_every": 500},
    "pixel_shuffle": DIGITS,
    "residual_depth": {**DIGITS, "num_train": 0},
    "pretraining": {"dataset": "digits", "num_train": 0},
    "regularization": {
        "dataset": "digits",
        "num_train": 300,
        "width": 32,
        "steps": 400,
        "evaluate_every": 40,
        "probe_steps": (),
        "probes": (),
    },
    "relu_speed": {"dataset": "digits", "width": 32, "batch_size": 16, "lr": 0.3, "steps": 1000, "num_train": 0},
    "snapshot_updates": {**DIGITS, "num_train": 0},
    "softmax_regression": {"dataset": "digits", "batch_size": 16, "lr": 0.1, "epochs": 3, "num_train": 0},
    "tabular": {"num_train": 0},
    "vanishing_gradient": {"dataset": "digits", "batch_size": 16, "num_train": 0},
    "width_sine": {"steps": 300, "lr": 0.01},
}


@dataclass(frozen=True)
class Fault:
    """What is broken: a line of a module, what it becomes, and the controls that are refuted then."""

    what: str
    module: str
    line: str
    broken: str
    refuted: tuple[str, ...]


NO_STEP = ("optimizers.py", "        self._kernel(lr)\n", "        self._kernel(0.0 * lr)\n")
NOT_SHUFFLED = ("examples.py", '    if config.labels == "shuffled":\n', '    if config.labels == "dealt out":\n')
TOUCHED = (
    "module.py",
    "    def _evaluate(self) -> None:\n",
    "    def _evaluate(self) -> None:\n        self.model.weights[0].data.mul_(1 + 1e-6)\n",
)
OF_REGRESSION = "../../studies/linear_regression.py"
OF_PRETRAINING = "../../studies/pretraining.py"
OF_SNAPSHOT = "../../studies/snapshot_updates.py"
OF_SOFTMAX = "../../studies/softmax_regression.py"
OTHER_ORDER = ("module.py", 'stream(seed, "order", epoch)', 'stream(seed + 1, "order", epoch)')
THREE_GUESSES = (
    "module.py",
    "correct += (outputs.argmax(2) == targets).sum(1).cpu()",
    "correct += (outputs.topk(3).indices == targets[..., None]).any(2).sum(1).cpu()",
)
# By study, those in a row together: none has to do with what the others' controls are about.
FAULTS: Mapping[str, Sequence[Sequence[Fault]]] = {
    "activation_depth": (
        (
            Fault("gradient of tanh", "activations.py", "aten.tanh_backward.grad_input",
                  "aten.sigmoid_backward.grad_input", ("as-in-plain-pytorch",)),
            Fault("three guesses an image", *THREE_GUESSES, ("untrained-at-chance", "counted-right")),
        ),
        (
            Fault("bias added twice in evaluations", "models.py",
                  "            inputs = self.in_place(affine(inputs, weight, bias))\n",
                  "            inputs = self.in_place(affine(inputs, weight, 2 * bias))\n", ("linear-is-linear",)),
            Fault("half of the loss in evaluations", "module.py", "loss += example_losses",
                  "loss += 0.5 * example_losses", ("not-below-the-optimum",)),
            Fault("a start twice as wide", "models.py", "bound = 1 / math.sqrt(fan_in)",
                  "bound = 2 / math.sqrt(fan_in)", ("as-theory-says",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
        (Fault("no step is taken", *NO_STEP, ("softmax-regression-learns",)),),
    ),
    "dead_relu": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
            Fault("a start that is not zero", "models.py", "        weight = np.zeros(shape)\n",
                  "        weight = np.full(shape, 0.01)\n", ("dead-from-the-start",)),
        ),
        (Fault("a step at rate zero", *NO_STEP[:2], "        self._kernel(lr + 30.0)\n", ("no-update-no-death",)),),
    ),
    "depth_vs_width": (
        (
            Fault("tents of half the height", "../../studies/depth_vs_width.py", "= fold @ np.ones((1, 2))",
                  "= 0.5 * fold @ np.ones((1, 2))", ("pieces-as-theory",)),
            Fault("an activation where there is none", "../../studies/depth_vs_width.py",
                  'np.maximum(hidden, 0) if self.units == "relu" else hidden', "np.maximum(hidden, 0)",
                  ("unbent-is-one-piece",)),
            Fault("errors of a hundredth of their size", "module.py", "return self.predictions(test) - values",
                  "return (self.predictions(test) - values) / 100", ("too-few-kinks",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
    ),
    "initialization": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
        ),
        (
            Fault("wider draws of He's start", "models.py", "math.sqrt(2 / fan_in)", "math.sqrt(3 / fan_in)",
                  ("drawn-as-the-library-does",)),
            Fault("a standard start twice as wide", "models.py", "config.init_std * weights",
                  "2 * config.init_std * weights", ("grows-twofold", "stays-as-it-is", "passes-all-of-it")),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
        (
            Fault("one draw for all units", "models.py", "math.sqrt(2 / fan_in) * weights.standard_normal(shape)",
                  "math.sqrt(2 / fan_in) * np.repeat(weights.standard_normal((fan_in, 1)), fan_out, 1)",
                  ("units-differ",)),
        ),
    ),
    "linear_collapse": (
        (
            Fault("no activation where there is one", "../../studies/linear_collapse.py",
                  "getattr(torch.nn, MODULES[self.activation])()", "torch.nn.Identity()",
                  ("bent-is-no-product", "bent-is-curved")),
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("three guesses an image", *THREE_GUESSES, ("counted-right",)),
        ),
        (Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),),
    ),
    "linear_regression": (
        (
            Fault("noise of one size for all", OF_REGRESSION, "unlikely(w, sizes)", "unlikely(w, noise)",
                  ("unequal-noise-elsewhere",)),
            Fault("steps of twice the rate", OF_REGRESSION, "w = [each - rate / len(rows) * step",
                  "w = [each - rate * step", ("arrival-is-seen",)),
            Fault("sums over one example less", OF_REGRESSION, "rates[:, None] / BATCH * gradient",
                  "rates[:, None] / (BATCH - 1) * gradient", ("as-in-plain-pytorch",)),
            Fault("targets that are larger", OF_REGRESSION, "[..., 0] - moment)", "[..., 0] - 1.01 * moment)",
                  ("full-as-theory",)),
            Fault("weights of the bias mixed up", OF_REGRESSION, "second[[*order, 4]].ravel()", "second.ravel()",
                  ("swapped-units-are-the-same",)),
            Fault("order of another seed", *OTHER_ORDER, ("network-as-in-plain-pytorch",)),
        ),
        (
            Fault("noise where there is none", OF_REGRESSION, "inputs @ weights + noise *",
                  "inputs @ weights + (noise or 0.01) *", ("stays-at-the-minimum",)),
            Fault("a rate below the limit", OF_REGRESSION, "2.2 / values[:, -1]", "1.8 / values[:, -1]",
                  ("too-fast-diverges",)),
            Fault("a penalty without a hidden layer", OF_REGRESSION, "1e-4 if self.is_deep else 0.0", "1e-4",
                  ("ends-at-closed-form",)),
        ),
    ),
    "loss_convergence": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("sum of squares for their mean", "losses.py", "else squares.mean(-1)", "else squares.sum(-1)",
                  ("sum-and-mean",)),
            Fault("three guesses an image", *THREE_GUESSES, ("untrained-at-chance",)),
        ),
        (
            Fault("labels not dealt out", *NOT_SHUFFLED, ("never-is-later", "nothing-to-learn")),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
        ),
    ),
    "manifold_unfolding": (
        (
            Fault("identity with a kink", "models.py",
                  "                inputs = self.activation.function(pre_activation)\n",
                  "                inputs = self.activation.function(pre_activation).relu()\n",
                  ("affine-layers-add-nothing",)),
            Fault("a hundredth of the loss in evaluations", "module.py", "loss += example_losses",
                  "loss += 0.01 * example_losses", ("at-least-the-network",)),
            Fault("labels of a probe not dealt out", "representations.py", ".permutation(len(inputs))",
                  ".permutation(len(inputs)) * 0 + np.arange(len(inputs))", ("labels-at-random",)),
            Fault("a start with weights on the lower pixels alone", "models.py",
                  "weight = math.sqrt(2 / fan_in) * weights.standard_normal(shape)",
                  "weight = np.linspace(0, 1, fan_in)[:, None] ** 9 * weights.standard_normal(shape)",
                  ("random-units-see-all",)),
            Fault("a tenth of the dimension", "representations.py", "/ 2 / (NEIGHBOURS - 2)",
                  "* 5 / (NEIGHBOURS - 2)", ("known-dimension", "many-dimensions")),
        ),
    ),
    "memorization": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
        (Fault("ten guesses an image", *THREE_GUESSES[:2], THREE_GUESSES[2].replace("topk(3)", "topk(10)"),
               ("a-line-cannot",)),),
        (Fault("no step is taken", *NO_STEP, ("a-line-can-of-few",)),),
    ),
    "pixel_shuffle": (
        (
            Fault("test images in another order", "module.py", "torch.index_select(images, 1, order, out=place)",
                  "torch.index_select(images, 1, order.roll(1) if test else order, out=place)", ("there-and-back",)),
            Fault("batches one example off", "module.py", "place * size : (place + 1) * size]",
                  "place * size + 1 : (place + 1) * size + 1]", ("as-in-plain-pytorch",)),
            Fault("three guesses an image", *THREE_GUESSES, ("untrained-at-chance",)),
        ),
        (
            Fault("images not scrambled", "examples.py",
                  '        stream(seed, f"pixels of each image, {part}").permuted(copy, axis=1, out=copy)\n',
                  '        stream(seed, f"pixels of each image, {part}")\n', ("scrambled",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
    ),
    "residual_depth": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
        ),
        (
            Fault("each step scales all weights", *NO_STEP[:2], NO_STEP[1] + "        self.flat.mul_(1 + 1e-6)\n",
                  ("what-adds-nothing-stays",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
        (Fault("no step is taken", *NO_STEP, ("depth-that-adds-nothing",)),),
    ),
    "pretraining": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("statistics of tanh", OF_PRETRAINING, "chances = torch.sigmoid(torch.baddbmm(bias, visible, weight))",
                  "chances = torch.tanh(torch.baddbmm(bias, visible, weight))", ("machines-by-their-energy",)),
            Fault("a start that is not zero", "models.py", "        weight = np.zeros(shape)\n",
                  "        weight = 0.1 * weights.standard_normal(shape)\n", ("zeros-tell-nothing",)),
        ),
        (
            Fault("labels of others", OF_PRETRAINING, ".fit(inputs, labels)", ".fit(inputs, labels[::-1])",
                  ("worse-untrained",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
    ),
    "regularization": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
            Fault("no decay", "optimizers.py", "beta2=0.999,\n            weight_decay=config.weight_decay,",
                  "beta2=0.999,\n            weight_decay=0.0,", ("too-much-decay",)),
            Fault("the same decay", "../../studies/regularization.py", "torch.optim.AdamW if", "torch.optim.Adam if",
                  ("adamw-is-another",)),
        ),
        (
            Fault("end evaluations change the weights", "evaluations.py",
                  "self.seen[step] = final_numbers(self.module)",
                  "self.module.model.weights[0].data.mul_(1.01); self.seen[step] = final_numbers(self.module)",
                  ("stopping-only-looks", "the-same-again")),
        ),
    ),
    "relu_speed": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
            Fault("biases that are never negative", "models.py", "bound * biases.uniform(-1, 1, fan_out)",
                  "bound * biases.uniform(0, 1, fan_out)", ("half-at-the-start",)),
        ),
        (Fault("labels not dealt out", *NOT_SHUFFLED, ("never-is-later", "nothing-to-learn")),),
    ),
    "snapshot_updates": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("no gradients left", OF_SNAPSHOT, 'found["without_gradient"] =',
                  'parameters[0].grad = None\n        found["without_gradient"] =', ("gradients-exist",)),
            Fault("a rate that is never 0", OF_SNAPSHOT, "weight -= rate * gradients[0]",
                  "weight -= (rate + 0.1) * gradients[0]", ("still", "by-formula")),
        ),
        (
            Fault("updates as you go of twice the size", OF_SNAPSHOT, "bias -= rate * gradients[1]",
                  "bias -= 2 * rate * gradients[1]", ("nothing-below",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
        (
            Fault("the order forgotten", OF_SNAPSHOT, "targets, self.lr, self.order,", "targets, self.lr, ORDERS[0],",
                  ("as-you-go-is-another",)),
        ),
    ),
    "softmax_regression": (
        (
            Fault("biases of zero", OF_SOFTMAX, "each.copy_(torch.from_numpy(rng.standard_normal(tuple(each.shape))))",
                  "each.copy_(torch.zeros_like(each))", ("bias-in-every-row",)),
            Fault("softmax at half the temperature", OF_SOFTMAX, "torch.from_numpy(logits).softmax(1)",
                  "(2 * torch.from_numpy(logits)).softmax(1)", ("fifty-digits",)),
            Fault("a product of single precision", OF_SOFTMAX, "logits.softmax(1)[range(count), labels].prod()",
                  "logits.softmax(1)[range(count), labels].float().prod()", ("few-multiply",)),
            Fault("labels of others", OF_SOFTMAX, "powers[rows, labels] /", "powers[rows, labels[::-1]] /",
                  ("written-is-right",)),
            Fault("the same distribution twice", OF_SOFTMAX, "(np.maximum(rng.dirichlet(np.full(size, each)), 1e-12)",
                  "(np.maximum(np.full(size, 1 / size), 1e-12)", ("apart-costs",)),
            Fault("a rate that is too high", OF_SOFTMAX, '("sum", 0.1 / 32)', '("sum", 0.1)', ("sum-as-mean",)),
            Fault("batches of twice the examples", OF_SOFTMAX, "rng.integers(0, len(x), size)\n",
                  "rng.integers(0, len(x), 2 * size)\n", ("as-theory-says",)),
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
        ),
        (
            Fault("a thousandth of the logarithm", OF_SOFTMAX, "torch.autograd.grad(logits.log_softmax(1)[",
                  "torch.autograd.grad(1e-3 * logits.log_softmax(1)[", ("logarithm-has-a-slope",)),
            Fault("a constant on no logit", OF_SOFTMAX, "(np.arange(10) == 0)", "(np.arange(10) < 0)",
                  ("one-logit-matters",)),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
    ),
    "tabular": (
        (
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
            Fault("tested on what was trained on", "data_set.py",
                  "    return (*split(targets, info.num_validation, seed, members), test)\n",
                  "    return (*split(targets, info.num_validation, seed, members), members[: len(test)])\n",
                  ("nothing-to-learn",)),
        ),
        (Fault("no step is taken", *NO_STEP, ("a-network-can-win",)),),
    ),
    "vanishing_gradient": (
        (
            Fault("order of another seed", *OTHER_ORDER, ("as-in-plain-pytorch",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
        ),
        (
            Fault("each step scales all weights", *NO_STEP[:2], NO_STEP[1] + "        self.flat.mul_(1 + 1e-6)\n",
                  ("still-at-rate-0",)),
            Fault("a start twice as wide", "models.py", "config.init_std * weights", "2 * config.init_std * weights",
                  ("half-a-layer", "all-of-it")),
            Fault("labels not dealt out", *NOT_SHUFFLED, ("nothing-to-learn",)),
        ),
        (Fault("no step is taken", *NO_STEP, ("moves-at-a-rate",)),),
    ),
    "width_sine": (
        (
            Fault("errors of a hundredth of their size", "module.py", "return self.predictions(test) - values",
                  "return (self.predictions(test) - values) / 100", ("not-below-the-bound",)),
            Fault("smallest error for largest", "evaluations.py", "errors.abs().amax(1)", "errors.abs().amin(1)",
                  ("seen-where-it-is",)),
            Fault("evaluations change the weights", *TOUCHED, ("the-same-again",)),
        ),
        (Fault("no step is taken", *NO_STEP, ("best-line", "not-seen-where-none-is")),),
    ),
}  # fmt: skip
TOGETHER = [(study, faults) for study, each in FAULTS.items() for faults in each]


def verdicts_of(
    controls: Mapping[str, Collection[str]], folder: Path, faults: Sequence[Fault] = ()
) -> dict[str, dict[str, str]]:
    """The verdicts on controls of studies, and on a claim, by the command in a copy of the package with faults."""
    for name in ("research", "studies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for fault in faults:
        path = folder / "research" / "training" / fault.module
        source = path.read_text()
        assert source.count(fault.line) == 1, fault
        path.write_text(source.replace(fault.line, fault.broken))
    for study, names in controls.items():
        text = SMALL.format(name=study, overrides=dict(OVERRIDES[study]), controls=sorted(names))
        (folder / f"small_{study}.py").write_text(text)
        words = [*COMMAND, f"small_{study}.py", "--store", "store", "--reports", "tables"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    found = {study: pd.read_csv(folder / "tables" / f"small_{study}" / "findings.csv") for study in controls}
    return {
        study: {str(name): str(verdict) for name, verdict in zip(table["name"], table["verdict"], strict=True)}
        for study, table in found.items()
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The verdicts of every study with nothing broken."""
    controls = {name: [control.name for control in load_study(name).controls] for name in OVERRIDES}
    return verdicts_of(controls, tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize("study", OVERRIDES)
def test_no_control_fails_where_nothing_is_broken(study, unbroken):
    controls = {control.name: control.kind for control in load_study(study).controls}
    found = unbroken[study]
    assert found.pop("stands") == "supported"
    assert set(found) == set(controls)
    assert "refuted" not in found.values()
    assert {found[name] for name, kind in controls.items() if kind in ("identity", "always")} == {"supported"}


@pytest.mark.parametrize(("study", "faults"), TOGETHER, ids=lambda value: value if isinstance(value, str) else "")
def test_a_control_is_refuted_where_what_it_is_about_is_broken(study, faults, tmp_path):
    controls = [name for fault in faults for name in fault.refuted]
    found = verdicts_of({study: controls}, tmp_path, faults)
    assert found[study] == dict.fromkeys(controls, "refuted") | {"stands": "withheld"}


def test_every_control_of_every_study_is_seen_to_fail():
    declared = {name: {control.name for control in load_study(name).controls} for name in study_names()}
    failing: dict[str, set[str]] = {name: set() for name in FAULTS}
    for study, faults in TOGETHER:
        failing[study].update(*(fault.refuted for fault in faults))
    assert failing == {name: controls for name, controls in declared.items() if name in FAULTS}
    # in tests of theirs, since they are of tasks of their own
    of_own_tasks = {
        "activation_functions", "attribution", "backpropagation", "output_heads", "parameter_explosion",
        "perceptron_xor", "transformer_share", "universal_approximation",
    }  # fmt: skip
    assert set(declared) == {*FAULTS, *of_own_tasks}
