"""Do boosted trees beat multilayer perceptrons on tables?

Question. Document B (8.4, 7.5) says that gradient boosting wins on almost every table, since networks find no structure
in columns that have none, while trees split along the axes. Two of its reasons can be made: columns that say nothing,
and targets that jump.

Cost. Full tier: two learners on six tables and two more for controls, each tuned with the same budget.

What to expect. The tables that scikit-learn brings along are small and well-behaved, so that much is right for anybody:
what trees are better at may not show there.

The trees are scikit-learn's histogram boosting, the network is the harness's own: two hidden layers under AdamW, inputs
standardised. Both have 20 trials of the same search for each table, judged by the validation part of three seeds that
are used for nothing else. Each seed draws its own training, validation and test part, three to one to one. Better is
any difference in the mean of a test part, in most seeds. Sizes and regions were fixed before any run but smoke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier, Tuning
from research.design.task import Report, Source
from research.training.config import TrainConfig
from research.training.data_functions import Arrays, by_function

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from research.record.frames import Frames

ROWS, SAYING, SILENT = 1500, 8, 52  # of the made tables, and their columns
ACCURACY, ERROR = (0.0, 1.0), (0.0, float("inf"))  # what they can be, those of a replicate that diverged too


def columns(count: int) -> np.ndarray:
    """The first columns of the made tables, each of normal numbers."""
    return np.random.default_rng(1).standard_normal((ROWS, SAYING + SILENT))[:, :count]


def classes() -> np.ndarray:
    """In which of two classes a row is: by products and squares of the first eight columns, one in twenty mistaken."""
    x, rng = columns(SAYING), np.random.default_rng(2)
    score = x[:, 0] * x[:, 1] + x[:, 2] ** 2 - x[:, 3] ** 2 + x[:, 4] - x[:, 5] + x[:, 6] * x[:, 7]
    found: np.ndarray = (score > 0) ^ (rng.random(ROWS) < 0.05)
    return found.astype(np.int64)


def saying() -> Arrays:
    return Arrays(columns(SAYING), classes(), source="eight normal columns that decide the class, one in twenty wrong")


def silent() -> Arrays:
    return Arrays(columns(SAYING + SILENT), classes(), source="the same eight columns and 52 more that say nothing")


def jumps() -> Arrays:
    """Each of four columns adds a level that jumps at seven places."""
    x, rng = columns(4), np.random.default_rng(3)
    levels, places = rng.standard_normal((4, 8)), np.sort(rng.standard_normal((4, 7)), 1)
    target = sum(levels[j][np.searchsorted(places[j], x[:, j])] for j in range(4))
    return Arrays(x, target + 0.1 * rng.standard_normal(ROWS), source="four normal columns, a target that jumps")


def straight() -> Arrays:
    x, rng = columns(SAYING), np.random.default_rng(4)
    target = x @ rng.standard_normal(SAYING) + 0.1 * rng.standard_normal(ROWS)
    return Arrays(x, target, source="eight normal columns, a target that is a straight line of them")


def nothing() -> Arrays:
    return Arrays(columns(SAYING), np.random.default_rng(5).permutation(ROWS) % 2, source="classes dealt out at random")


# "saying": columns that decide; "silent": with more that say nothing; "jumps", "straight": how the target goes
TABLES: Mapping[str, Callable[[], Arrays] | str] = {
    "tumours": "breast_cancer", "wines": "wine", "diabetes": "diabetes",
    "saying": saying, "silent": silent, "jumps": jumps, "straight": straight, "nothing": nothing,
}  # fmt: skip
COMPARED = ("tumours", "wines", "diabetes", "saying", "silent", "jumps")


@dataclass(frozen=True)
class Boosting(Task):
    """Scikit-learn's histogram gradient boosting, on the same parts of the same table as a network of the seed."""

    imports = ("sklearn.ensemble", "research.training.train")
    paired = "the same training, validation and test part of a table in every cell"
    words: ClassVar[Mapping[str, str]] = {
        "learning_rate": "learning rate of the trees", "max_leaf_nodes": "leaves of a tree",
        "min_samples_leaf": "examples in a leaf", "l2_regularization": "L2 regularisation", "twice": "grown twice",
    }  # fmt: skip

    dataset: str
    num_train: int = 0
    learning_rate: float = 0.1
    max_leaf_nodes: int = 31
    min_samples_leaf: int = 20
    l2_regularization: float = 1.0
    max_iter: int = 200
    twice: bool = False

    @property
    def network(self) -> TrainConfig:
        """A network on the same table, whose examples these are."""
        return table(self.dataset, num_train=self.num_train)

    @property
    def modules(self) -> tuple[str, ...]:
        return (*super().modules, *self.network.modules)

    @property
    def source(self) -> Source | None:
        return self.network.source

    @property
    def validated(self) -> tuple[str, ...]:
        return ("validation_rmse",) if self.network.is_regression else ("validation_loss",)

    def identity(self, numerics: int) -> dict[str, object]:
        return {**super().identity(numerics), "data": self.network.info.digest}

    def gives(self) -> dict[str, Metric]:
        known = self.network.gives()
        test = "steady_test_rmse" if self.network.is_regression else "steady_test_accuracy"
        more = {"repeat_difference": Metric()} if self.twice else {}
        return {name: known[name] for name in (test, *self.validated)} | more

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

        from research.training.data import load
        from research.training.examples import make_examples

        examples = make_examples(self.network, seeds, load(self.dataset))
        pool, test = (examples.inputs, examples.targets), (examples.test_inputs, examples.test_targets)
        for row, seed in enumerate(seeds):
            parts = ((pool, examples.train), (pool, examples.validation), (test, examples.test))
            arrays = [tuple(values[indices[row]].numpy() for values in part) for part, indices in parts]
            with threadpool_limits(1):
                numbers, outputs = self.fitted(*arrays)
                if self.twice:
                    numbers["repeat_difference"] = float(abs(outputs - self.fitted(*arrays)[1]).max())
            yield Replicate(seed, numbers)
            report((row + 1) / len(seeds))

    def fitted(self, *parts: tuple[np.ndarray, ...]) -> tuple[dict[str, float], np.ndarray]:
        """The numbers of trees grown on the training part, and what they put out for the test part."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from sklearn.metrics import log_loss

        (inputs, targets), (x, y), (test_inputs, test_targets) = parts
        kind = HistGradientBoostingRegressor if self.network.is_regression else HistGradientBoostingClassifier
        trees = kind(
            learning_rate=self.learning_rate, max_iter=self.max_iter, max_leaf_nodes=max(2, self.max_leaf_nodes),
            min_samples_leaf=self.min_samples_leaf, l2_regularization=self.l2_regularization, early_stopping=False,
        ).fit(inputs, targets)  # fmt: skip
        if self.network.is_regression:
            outputs = trees.predict(test_inputs)
            errors = (trees.predict(x) - y, outputs - test_targets)
            validation, test = (float(np.sqrt(np.mean(error**2))) for error in errors)
            return {"validation_rmse": validation, "steady_test_rmse": test}, outputs
        outputs = trees.predict_proba(test_inputs)
        accuracy = float((trees.classes_[outputs.argmax(1)] == test_targets).mean())
        loss = float(log_loss(y, trees.predict_proba(x), labels=trees.classes_))
        return {"validation_loss": loss, "steady_test_accuracy": accuracy}, outputs


def table(dataset: str, **options: object) -> TrainConfig:
    """A network on a table, standardised; of numbers by their squared error."""
    from research.training.data import known

    numbers = {} if known(dataset).num_classes else {"loss": "mse_mean", "output": "raw"}
    return TrainConfig(dataset=dataset, standardize=True, **{**numbers, **options})  # type: ignore[arg-type]


def configure(learner: str, data: str, settings: str, rows: str, network: str) -> Task:
    given = TABLES[data]
    dataset = given if isinstance(given, str) else by_function(given)
    num_train = 100 if rows == "few" else 0
    if learner == "boosting":
        return Boosting(dataset, num_train, twice=data == "wines")
    return table(
        dataset,
        num_train=num_train,
        depth=4 if network == "deep" else 2,
        width=128,
        optimizer="adamw",
        lr=0.001,  # the customary one
        weight_decay=0.01,  # torch's own
        normalization="layer" if network == "regularised" else "none",
        dropout=0.2 if network == "regularised" else 0.0,
        batch_size=32,
        epochs=60,
        measures=("repeated",) if data == "wines" else (),
    )


def gap(data: str, *more: str) -> Number:
    """By how much boosting is better in a table, or by how much more than in another one."""
    is_error = data in ("diabetes", "jumps", "straight")
    learners = ("mlp", "boosting") if is_error else ("boosting", "mlp")
    metric, missing = ("steady_test_rmse", ERROR) if is_error else ("steady_test_accuracy", ACCURACY)
    return Number(metric, learners, {"data": (data, *more)}, "difference", "difference" if more else "only", missing)


def wins(name: str, where: str, passage: str = "B 8.4") -> Claim:
    return Claim(f"wins-on-{name}", f"Boosted trees beat the network {where}.", passage, "most", gap(name), above=0.0)


STUDY = Study(
    name="tabular",
    question="Do boosted trees beat multilayer perceptrons on tables?",
    passage="B 8.4, B 7.5",
    says="On almost every table gradient boosting wins: columns have no structure that networks could use, and trees "
    "split along the axes.",
    configure=configure,
    arms=Factor("learner", ("boosting", "mlp"), words={"boosting": "boosted trees"}, in_text={"mlp": "the MLP"}),
    blocks=(Factor("data", COMPARED, label="table"),),
    choices=(
        Factor("settings", ("tuned", "default"), phrase="with {} settings"),
        Factor("rows", ("all", "few"), phrase="on {} rows"),
        Factor("network", ("two", "deep", "regularised"), words={"two": "two-layer"}, phrase="with a {} network"),
    ),
    universes=({"settings": "default"}, {"rows": "few"}, {"network": "deep"}, {"network": "regularised"}),
    universe_reasons="What the document leaves open, each alone: no tuning, a training part of a hundred rows, and two "
    "other networks, of four layers and with layer normalisation and dropout. Left out: other libraries of trees, "
    "embeddings of columns, and tables of more than 1,500 rows, which scikit-learn does not bring along.",
    tuning=Tuning(
        {
            "lr": (0.1, 10.0), "weight_decay": (0.01, 100.0), "width": (0.25, 4.0),
            "learning_rate": (0.1, 5.0), "max_leaf_nodes": (0.1, 4.0), "min_samples_leaf": (0.1, 4.0),
            "l2_regularization": (0.01, 100.0),
        },
        ("validation_loss", "validation_rmse"), "minimize", budget=20, at_once=4, seeds=3,
    ),
    headline=("steady_test_accuracy", "steady_test_rmse"),
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, trials=2, levels={"data": ("wines",), "settings": ("tuned",), "network": ("two",)}),
    },
    controls=(
        Control("the-same-again", "The same training once more ends at the same weights, or the same trees",
                Number("repeat_difference", ("boosting", "mlp"), {"data": ("wines",)}, "max", "only"),
                below=1e-30, kind="identity"),
        Control("a-network-can-win", "An effect that must show: on a straight line the network beats the trees",
                gap("straight"), below=0.0, kind="most",
                cells=tuple({"learner": learner, "data": "straight"} for learner in ("boosting", "mlp"))),
        Control("nothing-to-learn", "An effect that must not show: on classes dealt out at random both are at chance",
                Number("steady_test_accuracy", ("boosting", "mlp"), {"data": ("nothing",)}, "mean", "only", ACCURACY),
                above=0.45, below=0.55,
                cells=tuple({"learner": learner, "data": "nothing"} for learner in ("boosting", "mlp"))),
    ),
    claims=(
        wins("tumours", "on breast tumours"),
        wins("wines", "on wines"),
        wins("diabetes", "on diabetes, whose target is a number"),
        wins("silent", "where most columns say nothing"),
        wins("jumps", "where the target jumps"),
        Claim("silence-hurts-networks", "Columns that say nothing cost the network more than the trees.", "B 8.4",
              "most", gap("silent", "saying"), above=0.0),
    ),
)  # fmt: skip
CAPTIONS = {
    "gaps": "By how much the boosted trees are better than the network on the test part of a seed, a dot a seed; the "
    "bar is the median. Right of the line the trees win. Errors are in standard deviations of the target. The made "
    "tables: eight columns that decide (saying), 52 beside them that say nothing (silent), a target that jumps; for "
    "controls a target that is a straight line and classes dealt out at random (nothing).",
}


def figures(tables: Frames) -> dict[str, Figure]:
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(7, 2.6))
    for ax, metric, sign, label in zip(
        panels, ("steady_test_accuracy", "steady_test_rmse"), (100, -1), ("accuracy (points)", "error"), strict=True
    ):
        if metric not in tables.runs:
            continue
        wide = tables.runs.dropna(subset=metric).pivot(index=["data", "seed"], columns="learner", values=metric)
        gaps = sign * (wide["boosting"] - wide["mlp"])
        names = [name for name in TABLES if name in gaps.index.get_level_values("data")]
        for place, name in enumerate(names):
            values = gaps.loc[name].to_numpy()
            spread = np.linspace(-0.2, 0.2, len(values))
            ax.plot(values, place + spread, "o", color="#0173b2", alpha=0.5, markersize=3)
            ax.plot([np.nanmedian(values)] * 2, [place - 0.3, place + 0.3], color="black")
        ax.axvline(0, color="black", linestyle="--", linewidth=0.8)
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set_xlabel(f"advantage in {label}")
    return {"gaps": figure}
