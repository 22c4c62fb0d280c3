"""Does a large network on little data overfit, and what do dropout, decay, normalisation, stopping and more data help?

Question. Document B (8.3) says that with limited data memorisation wins: training accuracy 99 %, test accuracy far
lower, and a validation loss that rises. Against it stands a symphony: dropout, weight decay, a normalisation, early
stopping, augmentation (7.2, 8.3). Any single one leaks, so all five are needed.

Cost. Full tier: none, each alone, each pair and all five, 17 recipes and controls, 20 seeds each.

What to expect. Test accuracy on MNIST is high even of 500 images, so a tenth that is lost is much. Early stopping is
made for the loss, which grows where a network is too sure of itself, long after its accuracy has come to rest. A decay
of 0.0001 under Adam is weak, and all five together may be more than 150 epochs can train.

500 images, fewer than the 10,000 that other studies have, because limited data is what the passage is about: fifty of
each digit. 784-256-256-10 is large beside them: 500 weights for each image. The mechanisms are the document's (dropout
of 0.5, Adam's decay of 0.0001, a batch normalisation) or the customary (shifts of up to two pixels, the evaluation with
the least validation loss of 21). The validation part has 10,000 images, more than one would have beside 500: stopping
is as good here as it can be. Helping is any difference in most seeds. How layers drift is taken from the 75th step on,
where running means have settled. Sizes and regions were fixed before any run but smoke.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from research.design.streams import stream
from research.design.study import Claim, Control, Factor, Metric, Number, Replicate, Study, Task, Tier
from research.design.task import Report
from research.training.config import TrainConfig

MECHANISMS = ("dropout", "decay", "norm", "stopping", "augmentation")
RECIPES = tuple("+".join(chosen) or "none" for n in (0, 1, 2, 5) for chosen in itertools.combinations(MECHANISMS, n))
ALL = "+".join(MECHANISMS)
NAMES = {ALL: "all five", "none": "none of them", "decay": "weight decay", "norm": "normalisation",
         "stopping": "early stopping", "shuffled": "all but early stopping, on shuffled labels",
         "too-much-decay": "weight decay a hundred thousand times as strong"}  # fmt: skip
EXACT = ("none", "decay", "norm", "augmentation", "decay+norm", "norm+augmentation", "decay+augmentation")
STEPS = 1500  # 150 epochs of ten batches of 50
SHARE, LOSS = (0.0, 1.0), (0.0, float("inf"))  # what they can be, those of a replicate that diverged too


@dataclass(frozen=True)
class DecayOfAdam(Task):
    """A small network under torch's Adam with a decay, and under Adam on the loss with half the squared weights added.

    In float64, for a hundred steps. With `decoupled` the first is AdamW, which takes the decay out of the gradient.
    """

    imports = ("torch",)
    decoupled: bool = False
    decay: float = 0.01

    def gives(self) -> Mapping[str, Metric]:
        return {"decay_difference": Metric(promised=True, label="largest difference of a weight from L2 in the loss")}

    def run(self, seeds: Sequence[int], report: Report) -> Iterator[Replicate]:
        import torch

        kinds = (torch.optim.AdamW if self.decoupled else torch.optim.Adam, torch.optim.Adam)
        for seed in seeds:
            rng = stream(seed, "decay of Adam")
            inputs, targets = torch.from_numpy(rng.standard_normal((64, 8))), torch.from_numpy(rng.integers(0, 3, 64))
            start, ends = [torch.from_numpy(rng.standard_normal(shape)) for shape in ((8, 16), (16, 3))], []
            for kind, of_optimizer in zip(kinds, (True, False), strict=True):
                weights = [each.clone().requires_grad_() for each in start]
                optimizer = kind(weights, lr=0.001, weight_decay=self.decay if of_optimizer else 0.0)
                for _ in range(100):
                    optimizer.zero_grad()
                    outputs = torch.tanh(inputs @ weights[0]) @ weights[1]
                    loss = torch.nn.functional.cross_entropy(outputs, targets)
                    penalty = torch.stack([each.square().sum() for each in weights]).sum() / 2
                    (loss if of_optimizer else loss + self.decay * penalty).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                ends.append(torch.cat([each.detach().flatten() for each in weights]))
            yield Replicate(seed, {"decay_difference": float((ends[0] - ends[1]).abs().max())})


def configure(recipe: str, images: int, optimizer: str, norm: str, decay: float, width: int) -> Task:
    if recipe in ("adam-decay", "adamw-decay"):
        return DecayOfAdam(decoupled=recipe == "adamw-decay")
    names = {"shuffled": "dropout+decay+norm+augmentation", "too-much-decay": "decay"}
    chosen = names.get(recipe, recipe).split("+")
    config = TrainConfig(
        depth=2,
        width=width,
        num_train=images,
        batch_size=50,
        optimizer=optimizer,
        lr={"adam": 0.001, "sgd": 0.1}[optimizer],  # as in activation_depth
        steps=STEPS,
        evaluate_every=STEPS // 20,
        dropout=0.5 if "dropout" in chosen else 0.0,
        weight_decay=decay if "decay" in chosen else 0.0,
        normalization=norm if "norm" in chosen else "none",
        early_stopping="stopping" in chosen,
        augmentation="shifts" if "augmentation" in chosen else "none",
        probe_steps=(STEPS // 20, STEPS) if recipe in ("none", "norm") else (),
        probes=("drift",) if recipe in ("none", "norm") else (),
        measures=("generalisation", "validation_rise", *(("alone",) if recipe in EXACT else ())),
    )
    if recipe == "too-much-decay":
        return replace(config, weight_decay=10.0, optimizer="adam", lr=0.001)
    if recipe == ALL:
        return replace(config, measures=(*config.measures, "repeated"))
    return replace(config, labels="shuffled") if recipe == "shuffled" else config


def of(metric: str, *recipes: str, join: str = "", missing: tuple[float, float] = SHARE, **more: object) -> Number:
    across = join or ("difference" if len(recipes) == 2 else "only")
    return Number(metric, recipes, {}, across, "only", missing, **more)  # type: ignore[arg-type]


def helps(mechanism: str, passage: str = "B 8.3") -> Claim:
    """That test accuracy is better with it than with none."""
    text = f"{NAMES.get(mechanism, mechanism).capitalize()} alone helps: more of the test set is right."
    return Claim(f"{mechanism.replace('stopping', 'stopping-accuracy')}-helps", text, passage, "most",
                 of("steady_test_accuracy", mechanism, "none"), above=0.0)  # fmt: skip


def all_beat(mechanism: str) -> Claim:
    name = NAMES.get(mechanism, mechanism)
    return Claim(f"all-beat-{mechanism}", f"All five together are more accurate than {name} alone.", "B 7.2, B 8.3",
                 "most", of("steady_test_accuracy", ALL, mechanism), above=0.0)  # fmt: skip


STUDY = Study(
    name="regularization",
    question="Does a large network on little data overfit, and what helps against it, alone and together?",
    passage="B 7.2, B 8.3",
    says="With limited data memorisation wins: training accuracy 99 %, test accuracy far lower, a validation loss that "
    "rises. Dropout, weight decay, normalisation, early stopping and augmentation are the answer; any single one "
    "leaks, so that all five are needed.",
    configure=configure,
    arms=Factor("recipe", (*RECIPES, "adam-decay"), words=NAMES | {
        recipe: " + ".join(NAMES.get(each, each) for each in recipe.split("+"))
        for recipe in RECIPES if "+" in recipe and recipe != ALL
    }),
    blocks=(),
    choices=(
        Factor("images", (500, 2000), label="training images", phrase="on {} images"),
        Factor("optimizer", ("adam", "sgd")),
        Factor("norm", ("batch", "layer"), label="normalisation", phrase="with normalisation of the {}"),
        Factor("decay", (0.0001, 0.01), label="weight decay", phrase="with a weight decay of {}"),
        Factor("width", (256, 64), phrase="with {} units a layer"),
    ),
    universes=({"images": 2000}, {"optimizer": "sgd"}, {"norm": "layer"}, {"decay": 0.01}, {"width": 64}),
    universe_reasons="What the document leaves open, each alone: how little the data are, the optimiser, which of its "
    "two normalisations, a decay a hundred times as strong, and a smaller network. Left out: other rates of dropout, "
    "other augmentations, a longer training, strengths that are tuned together.",
    tiers={
        "full": Tier(seeds=20, universe_seeds=8, first_seed=200),
        "smoke": Tier(seeds=2, overrides={"width": 16},
                      levels={"recipe": ("none", "norm", "stopping", "augmentation", "adam-decay"), "width": (256,)}),
    },
    headline=("steady_test_accuracy", "steady_test_loss"),
    controls=(
        Control("as-in-plain-pytorch", "Networks train as they do alone in plain PyTorch, with shifted images, decay "
                "and normalisation too: after 100 steps in float64 no weight differs",
                of("alone_difference", *EXACT, join="max"), below=1e-6, kind="identity"),
        Control("the-same-again", "The training of all five together, once more, ends at the same weights to the bit",
                of("repeat_difference", ALL), below=1e-30, kind="identity"),
        Control("stopping-only-looks", "An effect that must not show: early stopping leaves the training as it is",
                of("train_progress", "stopping", "none", missing=(-1.0, 1.0)), above=-1e-30, below=1e-30,
                kind="always"),
        Control("nothing-to-learn", "An effect that must not show: trained on shuffled labels, with no look at true "
                "ones, the four others are at chance", of("steady_test_accuracy", "shuffled"),
                above=0.07, below=0.13,  # a tenth, to three points
                cells=({"recipe": "shuffled"},)),
        Control("too-much-decay", "An effect that must show: where decay outweighs the loss nothing is fitted",
                of("train_progress", "too-much-decay", missing=(-1.0, 1.0)), below=0.05, kind="always",
                cells=({"recipe": "too-much-decay"},)),
        Control("adamw-is-another", "An effect that must show: AdamW, whose decay is no part of the gradient, differs",
                of("decay_difference", "adamw-decay"), above=1e-6, kind="always", guards=("adam-decay-is-l2",),
                cells=({"recipe": "adamw-decay"},)),
    ),
    claims=(
        Claim("fits-training-set", "A large network on little data has 99 % of its training set right.", "B 8.3",
              "most", of("steady_train_accuracy", "none"), above=0.99, by_hand="the document's 99 %"),
        Claim("overfits", "Its test accuracy is far lower than that.", "B 8.3", "most",
              of("steady_generalisation_gap", "none", missing=(-1.0, 1.0)), above=0.1,
              by_hand="ten points count as far lower; the document's example has 29"),
        Claim("validation-loss-rises", "While its training loss falls its validation loss rises.", "B 8.3", "most",
              of("validation_rise", "none", missing=LOSS), above=0.1, by_hand="a tenth of a nat counts as a rise"),
        helps("dropout"), helps("decay"), helps("norm", "B 7.2"), helps("augmentation"), helps("stopping"),
        Claim("stopping-helps", "Early stopping alone helps in what it is for: the test loss is lower.", "B 8.3",
              "most", of("steady_test_loss", "stopping", "none", missing=(float("-inf"), float("inf"))), below=0.0),
        Claim("singles-leak", "With any single one a gap between training and test accuracy is left.", "B 7.2", "most",
              of("steady_generalisation_gap", *MECHANISMS, join="min", missing=(-1.0, 1.0)), above=0.05,
              by_hand="five points, half of what counts as far lower"),
        *map(all_beat, MECHANISMS),
        Claim("adam-decay-is-l2", "Adam's weight decay is L2 regularisation on the side of the optimiser.", "B 7.2",
              "identity", of("decay_difference", "adam-decay"), below=1e-9),
        Claim("norm-steadies-layers", "Normalisation steadies the distributions of layers: in training the second "
              "moves less from where it began.", "B 7.2", "most",
              of("drift", "norm", "none", join="ratio", missing=LOSS, at={"layer": 2, "step": STEPS}), below=1.0),
    ),
)  # fmt: skip
