"""<script>document.title='owned'</script> A study whose every text is markup. As it is, each part of it does harm."""

from research.design.study import Claim, Control, Factor, MainEffect, Number, Study, Tier, crossed
from research.training.config import TrainConfig

MARKUP = (
    "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    "\"><svg onload=document.title='owned'>"
)
MORE = (
    "[a](javascript:document.title='owned') ![b](http://192.0.2.1/b.png) <iframe src=//192.0.2.1/c></iframe>"
    "</style></title></textarea>--> ]]> {{ 7 }} {% raw %}"
)
TEXT = f"{MARKUP} {MORE}"
CHOICES = {"rate": ("usual", "tenth"), "init": ("default", "he")}


def configure(activation: str, rate: str, init: str) -> TrainConfig:
    lr = 0.1 if rate == "usual" else 0.01
    return TrainConfig("digits", width=8, activation=activation, init=init, lr=lr, epochs=1)


NUMBER = Number("test_accuracy", ("relu",), {}, "only", "mean")

STUDY = Study(
    name="hostile",
    question=f"Question {TEXT}",
    passage=f"A Passage {TEXT}",
    says=f"Says {TEXT}",
    configure=configure,
    arms=Factor("activation", ("tanh", "relu"), f"Arms {MARKUP}", words={"relu": f"Level {MARKUP}"}),
    blocks=(),
    choices=tuple(Factor(name, levels, f"Choice {MORE}") for name, levels in CHOICES.items()),
    universes=crossed(**CHOICES),
    universe_reasons=f"Reasons {TEXT}",
    headline=("test_accuracy",),
    tiers={"full": Tier(seeds=3)},
    controls=(Control("control", f"Control {MARKUP}", NUMBER, above=0.0),),
    claims=(
        Claim("claim", f"Claim {MARKUP}", f"B 1 {TEXT}", "mean", NUMBER, above=0.02),
        Claim("linked", f"Linked {MORE}", "B 2", "mean", NUMBER, above=0.02),
    ),
    main_effects=(MainEffect("all", f"All {TEXT}", f"B 3 {TEXT}", "test_accuracy", {}, CHOICES, above=0.5),),
)
