"""A study at a tier -> its cells and stacks, each with a readable key and a fingerprint. Imports nothing heavy."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from research.data import DATA
from research.design import Level, Study, TrainConfig, UserError

NUMERICS = 1  # raise when a change in code or of a default changes any result
SIZES = (
    10,
    5,
    2,
    1,
)  # 10 is the usual number of seeds: a size that does not divide it would train replicates for nothing
CACHE_BYTES = 24 * 2**20  # nominal last-level cache of one core; of the design, never of the machine
STUDIES = Path(__file__).resolve().parents[1] / "studies"


@dataclass(frozen=True)
class Cell:
    """One combination of levels: one Optuna trial, one MLflow parent run. `levels` keeps the order of the factors."""

    study: str
    tier: str
    levels: Mapping[str, Level]
    config: TrainConfig
    identity: str
    stack_size: int

    @property
    def key(self) -> str:
        """The readable address, such as `activation_depth/full/activation=relu/depth=4`."""
        return "/".join([self.study, self.tier, *(f"{name}={level}" for name, level in self.levels.items())])

    @property
    def name(self) -> str:
        """The key's short form for lists and legends, such as `relu depth=4`: the arm without its factor's name."""
        (_, arm), *blocks = self.levels.items()
        return " ".join([str(arm), *(f"{name}={level}" for name, level in blocks)])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identity, in hexadecimal digits."""
        return hashlib.sha256(self.identity.encode()).hexdigest()


@dataclass(frozen=True)
class Stack:
    """The seeds of a cell that train together: the unit of work and of the record."""

    cell: Cell
    seeds: tuple[int, ...]

    @property
    def key(self) -> str:
        """The cell's key with the seeds behind it."""
        return f"{self.cell.key}/seeds={self.seeds[0]}-{self.seeds[-1]}"


@dataclass(frozen=True)
class Plan:
    """What a study needs at a tier: seeds 0..num_seeds-1 of every cell, in whole stacks."""

    study: Study
    tier: str
    num_seeds: int
    cells: tuple[Cell, ...]
    stacks: tuple[Stack, ...]

    @property
    def declared(self) -> bool:
        """Whether this is the study as declared: the full tier with its own number of seeds."""
        return self.tier == "full" and self.num_seeds == self.study.tiers["full"].seeds


def make_plan(study: Study, tier: str = "full", num_seeds: int | None = None) -> Plan:
    """The plan of a study. Raises UserError for a tier that the study does not have or fewer than one seed."""
    if tier not in study.tiers:
        raise UserError(f"{study.name}: no tier {tier!r}; it has {', '.join(study.tiers)}")
    num_seeds = study.tiers[tier].seeds if num_seeds is None else num_seeds
    if num_seeds < 1:
        raise UserError(f"--seeds {num_seeds}: at least one seed is needed")
    cells = tuple(_cells(study, tier))
    stacks = []
    for cell in cells:
        for first in range(0, num_seeds, cell.stack_size):
            stacks.append(Stack(cell, tuple(range(first, first + cell.stack_size))))
    return Plan(study, tier, num_seeds, cells, tuple(stacks))


def _cells(study: Study, tier: str) -> list[Cell]:
    kept = study.tiers[tier].levels
    factors = (study.arms, *study.blocks)
    grid = itertools.product(*(kept.get(factor.name, factor.levels) for factor in factors))
    points = [dict(zip((f.name for f in factors), levels, strict=True)) for levels in grid]
    points += [{f.name: cell[f.name] for f in factors} for control in study.controls for cell in control.cells]
    cells: dict[str, Cell] = {}
    for levels in points:
        config = study.config(levels, tier)
        size = stack_size(config)
        cell = Cell(study.name, tier, levels, config, identity(config, size, study.revision), size)
        cells.setdefault(cell.key, cell)
    return list(cells.values())


def identity(config: TrainConfig, size: int, revision: int) -> str:
    """What the fingerprint is taken of, as JSON: non-default fields, data checksum, stack size, revision, NUMERICS."""
    changed = {f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != f.default}
    floats = {f.name for f in fields(config) if f.type == "float"}
    content = {
        "config": {name: float(value) if name in floats else value for name, value in changed.items()},
        "data": DATA[config.dataset].digest,
        "numerics": NUMERICS,
        "revision": revision,
        "stack_size": size,
    }
    return json.dumps(content, sort_keys=True)


def identity_difference(recorded: str, planned: str) -> str:
    """The first field in which two identities differ, both sides named."""
    old, new = (_flat(json.loads(text)) for text in (recorded, planned))
    name = next(name for name in sorted({**old, **new}) if old.get(name) != new.get(name))
    default = {f.name: f.default for f in fields(TrainConfig)}.get(name)
    return f"{name}: recorded with {old.get(name, default)!r}, now {new.get(name, default)!r}"


def _flat(identity: dict[str, Any]) -> dict[str, Any]:
    return {**identity.pop("config"), **identity}


def num_parameters(config: TrainConfig) -> int:
    """Weights and biases of one replicate."""
    sizes = layer_sizes(config)
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))


def layer_sizes(config: TrainConfig) -> list[int]:
    """Input features, hidden widths, classes."""
    info = DATA[config.dataset]
    return [info.num_features, *[config.width] * config.depth, info.num_classes]


def stack_size(config: TrainConfig) -> int:
    """How many seeds train together: the largest of SIZES whose working set fits the nominal cache.

    Stacking shares the cost of a step's calls among the seeds and pays until the step's tensors leave the cache. A
    replicate holds its parameters, gradients and optimiser state, its batch, and for each layer three tensors of its
    units: pre-activation, activation and gradient.
    """
    sizes = layer_sizes(config)
    states = {"sgd": 2 if config.momentum == 0 else 3, "adam": 4, "adamw": 4}[config.optimizer]
    per_example = sizes[0] + 3 * sum(sizes[1:])
    working_set = 4 * (states * num_parameters(config) + config.batch_size * per_example)
    return next((size for size in SIZES if size * working_set <= CACHE_BYTES), 1)


def nominal_seconds(stack: Stack) -> float:
    """Rough seconds of a stack on one core of a recent server; a plan scales them by what the store shows.

    Fitted to 784-128xdepth-10 at depths 1 to 8: per parameter and example, per example, per step.
    """
    config = stack.cell.config
    examples = config.epochs * (DATA[config.dataset].num_pool - DATA[config.dataset].num_validation)
    per_replicate = examples * (8.4e-11 * num_parameters(config) + 2e-6)
    return 0.1 + len(stack.seeds) * per_replicate + 1e-3 * examples / config.batch_size


def study_names() -> list[str]:
    """The names of the studies: the files of the folder `studies/`."""
    return sorted(path.stem for path in STUDIES.glob("[a-z]*.py"))


def load_study(name: str) -> Study:
    """The STUDY of `studies/NAME.py`, or of the file when `name` ends in .py.

    Raises UserError for a study that does not exist (with the nearest name) or a file that defines none.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"{name}: no such study file")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (SyntaxError, ImportError, NameError, TypeError) as error:
            raise UserError(f"{name}: cannot be loaded: {error}") from error
    elif name in study_names():
        path = STUDIES / f"{name}.py"
        module = importlib.import_module(f"studies.{name}")
    else:
        near = difflib.get_close_matches(name, study_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(study_names())}"
        raise UserError(f"no study {name!r}; {hint}")
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study) or study.name != path.stem:
        raise UserError(f"{path.name}: must define STUDY = Study(name={path.stem!r}, ...)")
    return study
