"""Does cross-entropy learn sooner than squared error, and why?

Question. Document A (to-do 1) asks its reader to consider why cross-entropy converges faster than mean squared error on
classification tasks. It gives cross-entropy's gradient at the logits as p - y and writes the squared error as half the
squared distance of two vectors, summed over the classes.

Cost. Full tier: 6 cells of 10 seeds, five to seven minutes on two cores. Quick: a minute. Smoke: seconds. All
universes: half an hour at 6 seeds, of which all must agree to be clearly more than half; two thirds for tuning.

What to expect. Behind a softmax, p - y is multiplied by a matrix that nearly vanishes where the network is sure of a
wrong class. Whether that costs time depends on how often it is.

The network is the usual small MLP for MNIST, the rate the customary one for SGD, the same for both losses. The
horizon is twenty epochs: at this rate a network with one hidden layer was just short of 95 % after five
(`activation_depth`), so a shorter one might not have told late from never. All of it, and the regions, were fixed
before the first full run and are never moved afterwards.
"""

from typing import Literal

from research.design import Claim, Control, Factor, Number, Study, Tier, TrainConfig, Tuning

HORIZON = 8600  # steps: 20 epochs of 430 batches
MNIST = {"case": ("mnist",)}
POSITIVE = (0.0, float("inf"))  # where steps, errors and ratios lie, whatever they are
TOLERANCE = 1e-12  # of float64, where the largest entry of a gradient is 1


def configure(
    loss: str, case: str, squares: str, output: str, rate: str, init: str, horizon: int, activation: str
) -> TrainConfig:
    """784-128-128-10 on MNIST; for a control 1-128-128 on sin x, trained as in the study `width_sine`."""
    squared = loss == "mse"
    if case == "regression":
        return TrainConfig(
            dataset="sine",
            depth=2,
            loss=loss,
            output="raw" if squared else "softmax",
            optimizer="adam",
            lr=1e-3,
            batch_size=1024,
            steps=5000,
            evaluate_every=100,
            measures=("curve_fit",),
        )
    return TrainConfig(
        dataset="mnist",
        depth=2,
        width=128,
        activation=activation,
        init=init,
        output=output if squared else "softmax",
        output_bias=10.0 if case == "wrong-start" else 0.0,  # p(true) is 0.00005 for nine of ten examples
        loss="mse_mean" if squared and squares == "mean" else loss,
        lr=0.01 if rate == "tenth" else 0.1,
        batch_size=128,
        steps=horizon,
        evaluate_every=50,
        target_accuracy=0.95,
        measures=("logit_gradients",),
    )


def steps_to_target(join: Literal["difference", "ratio"], case: str = "mnist") -> Number:
    """Squared error's steps to 95 % minus cross-entropy's, or over them."""
    arms, blocks = ("mse", "cross_entropy"), {"case": (case,)}
    resolution = 0.02 if join == "ratio" else 50.0  # an evaluation every 50 steps, of a few thousand
    return Number("steps_to_target", arms, blocks, join, "only", POSITIVE, resolution)


def formula_error(metric: str) -> Number:
    """The largest error of a formula over random logits, drawn for each seed. Training does not come into it."""
    return Number(metric, ("cross_entropy",), MNIST, "only", "only")


STUDY = Study(
    name="loss_convergence",
    question="Does an MLP learn to classify sooner with cross-entropy than with squared error?",
    passage="A 'To-do' 1, A 'Cross-Entropy Loss Function', A 'Loss Computation'",
    says=(
        "Cross-entropy converges faster than mean squared error on classification tasks; consider why. The gradient of "
        "cross-entropy at the logits is p - y, the difference between prediction and observation. Squared error is "
        "half the squared distance of prediction and target, and is for regression."
    ),
    configure=configure,
    arms=Factor("loss", ("cross_entropy", "mse")),
    blocks=(Factor("case", ("mnist",)),),
    choices=(
        Factor("squares", ("half-sum", "mean")),
        Factor("output", ("softmax", "raw", "sigmoid")),
        Factor("rate", ("customary", "tenth", "tuned")),
        Factor("init", ("default", "he")),
        Factor("horizon", (HORIZON, HORIZON // 4)),
        Factor("activation", ("relu", "sigmoid")),
    ),
    universes=(
        {"squares": "mean"},
        {"output": "raw"},
        {"output": "sigmoid"},
        {"squares": "mean", "output": "raw"},
        {"squares": "mean", "output": "sigmoid"},
        {"rate": "tenth"},
        {"init": "he"},
        {"activation": "sigmoid"},
        {"horizon": HORIZON // 4},
        {"horizon": HORIZON // 4, "squares": "mean"},
        {"horizon": HORIZON // 4, "rate": "tenth"},
        {"horizon": HORIZON // 4, "activation": "sigmoid"},
        {"rate": "tuned"},
        {"rate": "tuned", "squares": "mean"},
        {"rate": "tuned", "output": "raw"},
        {"rate": "tuned", "output": "sigmoid"},
    ),
    universe_reasons=(
        "The document sums the squared error over the classes; frameworks take the mean, which for SGD is a "
        "fifth of the rate, so the two are crossed with tuned rates. What it is the error of, a softmax, a "
        "sigmoid or the raw output, decides whether its gradient can vanish: crossed with sum or mean, and with "
        "tuned rates. Rate, start, horizon and hidden units are changed alone; the shorter horizon costs nothing "
        "beside the longer one, and is crossed with what slows learning down. Left out: the start crossed with "
        "the hidden units, and the mean on other outputs with tuned rates, which takes a factor from the "
        "gradient that tuning gives back. Rates are tuned for the fewest steps to 95 %, since that is what is "
        "compared."
    ),
    tuning=Tuning({"lr": (0.03, 30.0)}, "steps_to_target", "minimize", budget=9, at_once=3, seeds=2),
    headline=("steps_to_target", "test_accuracy"),
    direction="minimize",
    tiers={
        "full": Tier(seeds=10, universe_seeds=6),
        "quick": Tier(seeds=5, overrides={"steps": 2000}),
        "smoke": Tier(
            seeds=3,
            overrides={"steps": 100, "width": 16},
            levels={
                "output": ("softmax",),
                "rate": ("customary", "tuned"),
                "init": ("default",),
                "activation": ("relu",),
            },
        ),
    },
    controls=(
        Control(
            name="regression",
            text="Fitting sin x, squared error does better than cross-entropy over ten intervals of its values",
            number=Number(
                "test_rmse", ("mse", "cross_entropy"), {"case": ("regression",)}, "difference", "only", POSITIVE
            ),
            below=0.0,  # the centres of ten intervals are off by 0.05 at least
            cells=tuple({"loss": loss, "case": "regression"} for loss in ("cross_entropy", "mse")),
        ),
        Control(
            name="wrong-start",
            text="From a start that is sure of one class, cross-entropy arrives sooner",
            number=steps_to_target("difference", case="wrong-start"),
            above=0.0,
            cells=tuple({"loss": loss, "case": "wrong-start"} for loss in ("cross_entropy", "mse")),
        ),
    ),
    claims=(
        Claim(
            name="sooner",
            text="Cross-entropy reaches 95 % validation accuracy in fewer steps than squared error",
            passage="A 'To-do' 1",
            kind="share",
            number=steps_to_target("difference"),
            above=0.0,
        ),
        Claim(
            name="times-sooner",
            text="Squared error takes more steps to it, as a multiple of cross-entropy's",
            passage="A 'To-do' 1",
            kind="mean",
            number=steps_to_target("ratio"),
            above=1.0,
        ),
        Claim(
            name="gradient-cross-entropy",
            text="Cross-entropy's gradient at the logits is p - y",
            passage="A 'Cross-Entropy Loss Function'",
            kind="identity",
            number=formula_error("cross_entropy_formula_error"),
            below=TOLERANCE,
        ),
        Claim(
            name="gradient-squared",
            text="Squared error's is that times the softmax's Jacobian",
            passage="this project's hypothesis",
            kind="identity",
            number=formula_error("mse_formula_error"),
            below=TOLERANCE,
        ),
        Claim(
            name="nearly-vanishes",
            text="Where p(true) < 0.01, cross-entropy's gradient is more than ten times as large",
            passage="this project's hypothesis",
            kind="mean",
            number=Number("gradient_ratio", ("cross_entropy",), MNIST, "only", "only", POSITIVE),
            above=10.0,
        ),
        Claim(
            name="equal-in-the-end",
            text="At the horizon both are equally accurate, to half a point",
            passage="this project's hypothesis",
            kind="mean",
            number=Number("test_accuracy", ("cross_entropy", "mse"), MNIST, "difference", "only", (0.0, 1.0), 1e-4),
            above=-0.005,
            below=0.005,
        ),
    ),
)
