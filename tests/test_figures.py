"""What the axes show is what the frames say."""

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_design import NUMBER, TOY

from research.design.streams import stream
from research.design.study import Claim, Tier
from research.judging.findings import judge
from research.judging.stats import mean_interval
from research.publishing.figures import (  # fmt: skip
    draw_against,
    draw_curves,
    draw_finding,
    findings_figure,
    intervals,
    lean_svg,
    looks,
    margin_captions,
    margin_figures,
    place_legend,
    use_style,
)

ARMS = ["sigmoid", "relu"]


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two arms, three seeds, two depths, two epochs, random values."""
    index = pd.MultiIndex.from_product([ARMS, [1, 4], range(3), [1, 2]], names=["activation", "depth", "seed", "epoch"])
    return pd.DataFrame({"test_accuracy": stream(0, "test").uniform(size=len(index))}, index).reset_index()


@pytest.fixture
def ax():
    use_style()
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_intervals_are_those_of_each_group(frame):
    table = intervals(frame, ["activation", "depth"], "test_accuracy")
    assert len(table) == 4
    group = frame[(frame["activation"] == "relu") & (frame["depth"] == 4)]["test_accuracy"]
    row = table[(table["activation"] == "relu") & (table["depth"] == 4)].iloc[0]
    assert tuple(row[["mean", "low", "high", "n"]]) == pytest.approx(tuple(mean_interval(group)))


def test_every_seed_is_drawn_behind_the_mean_of_its_arm(frame, ax):
    one_depth = frame[frame["depth"] == 1]
    draw_curves(ax, one_depth, "test_accuracy", "activation", ARMS)
    drawn = [np.asarray(line.get_ydata()) for line in ax.lines]
    assert len(drawn) == len(ARMS) * (3 + 1)
    means = one_depth.groupby(["activation", "epoch"])["test_accuracy"].mean()
    for arm in ARMS:
        assert any(np.allclose(line, means[arm]) for line in drawn)
        for seed in range(3):
            values = one_depth[(one_depth["activation"] == arm) & (one_depth["seed"] == seed)]["test_accuracy"]
            assert any(np.allclose(line, values) for line in drawn)


def test_levels_stand_evenly_with_a_dot_for_every_seed(frame, ax):
    last = frame[frame["epoch"] == 2]
    draw_against(ax, TOY, last, "depth", "test_accuracy", "activation", ARMS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4"]
    dots = np.concatenate(
        [np.asarray(points.get_offsets())[:, 1] for points in ax.collections if len(points.get_offsets()) == 6]
    )
    assert sorted(dots) == pytest.approx(sorted(last["test_accuracy"]))


def test_a_diverged_replicate_leaves_a_gap_and_no_error(frame, ax):
    frame.loc[frame["seed"] == 0, "test_accuracy"] = np.nan
    draw_curves(ax, frame[frame["depth"] == 1], "test_accuracy", "activation", ARMS)
    draw_against(ax, TOY, frame[frame["epoch"] == 2], "depth", "test_accuracy", "activation", ARMS)


def test_an_arm_without_rows_is_left_out(frame, ax):
    frame.loc[frame["activation"] == "relu", "test_accuracy"] = np.nan
    draw_curves(ax, frame[frame["depth"] == 1], "test_accuracy", "activation", [*ARMS, "gelu"])
    draw_against(ax, TOY, frame[frame["epoch"] == 2], "depth", "test_accuracy", "activation", [*ARMS, "gelu"])
    assert len(looks([f"arm{number}" for number in range(9)])) == 9


def test_arms_differ_in_colour_and_in_dashes_and_in_marker():
    for property in ("color", "linestyle", "marker"):
        values = [look[property] for look in looks(["sigmoid", "tanh", "relu", "gelu"]).values()]
        assert len(set(map(str, values))) == 4


def test_the_legend_uses_the_names_that_people_use(ax):
    place_legend(ax.figure, TOY.factor("activation"), ["relu", "tanh"], marked=True)
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["ReLU", "tanh"]


def finding(kind: str, *values: float, above: float = -math.inf, below: float = math.inf,
            metric: str = "test_rmse", by_hand: str = ""):  # fmt: skip
    """A finding of the toy study whose seeds have these numbers."""
    claim = Claim("c", "A claim", "B 1", kind, replace(NUMBER, metric=metric), above, below, by_hand=by_hand)
    runs = [
        {"activation": "relu", "depth": 1, "seed": seed, "diverged_step": None, metric: value}
        for seed, value in enumerate(values)
    ]
    study = replace(TOY, claims=(claim,), tiers={"full": Tier(seeds=5)})
    (found,) = judge(study, pd.DataFrame(runs), len(values), complete=True).claims
    return found


def test_a_tiny_error_and_the_bound_that_it_is_far_below_stand_on_a_log_axis(ax):
    draw_finding(ax, finding("identity", 1e-16, 2e-16, 3e-16, below=1e-9), "black")
    assert ax.get_xscale() == "log"
    low, high = ax.get_xlim()
    assert low < 1e-16
    assert 1e-9 < high < 1e-6


def test_an_error_of_nothing_is_drawn_on_a_plain_axis(ax):
    draw_finding(ax, finding("identity", 0.0, 0.0, 0.0, below=1e-9), "black")
    assert ax.get_xscale() == "linear"


def test_of_what_is_counted_the_seeds_inside_are_written_and_the_median_is_drawn(ax):
    draw_finding(ax, finding("most", 2.0, 3.0, 4.0, 4.0, 5.0, above=2.5), "black")
    assert "4 of 5 seeds inside" in [text.get_text() for text in ax.texts]
    assert [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"] == [[4.0]]


def test_what_is_not_known_is_no_dot(ax):
    found = finding("most", 2.0, 3.0, math.nan, 4.0, 4.0, 5.0, above=2.5)
    draw_finding(ax, found, "black")
    (dots,) = ax.collections
    assert len(dots.get_offsets()) == 5
    assert "from 4 to 5 of 6 seeds inside" in [text.get_text() for text in ax.texts]


def test_the_number_of_seeds_is_drawn_against_a_margin_that_was_chosen_by_hand():
    use_style()
    plain = finding("most", 2.0, 3.0, 4.0, 4.0, 5.0, above=2.5)
    assert margin_figures([plain]) == margin_captions([plain], {}) == {}
    chosen = finding("most", 2.0, 3.0, 4.0, 4.0, 5.0, above=2.5, by_hand="as it was")
    ((name, figure),) = margin_figures([chosen]).items()
    (ax,) = figure.axes
    counts, line = ax.lines
    assert name == "margin_c"
    assert dict(zip(counts.get_xdata(), counts.get_ydata(), strict=True))[3.0] == 3
    assert list(line.get_xdata()) == [2.5, 2.5]
    plt.close(figure)
    ((_, caption),) = margin_captions([chosen], {"c": "as it was"}).items()
    assert "chosen: as it was. In grey the verdict is the same: lower edge 2.5 (supported from 2.00 down, " in caption


def test_percentages_are_drawn_as_the_page_writes_them(ax):
    draw_finding(ax, finding("mean", 0.9, 0.91, 0.92, above=0.5, metric="test_accuracy"), "black")
    (dots,) = ax.collections
    assert np.asarray(dots.get_offsets())[:, 0] == pytest.approx([90, 91, 92])
    assert 45 < ax.get_xlim()[0] < 50


def test_seeds_of_the_same_number_stand_above_each_other(ax):
    draw_finding(ax, finding("mean", 3.0, 3.0, 4.0, above=2.5), "black")
    (dots,) = ax.collections
    heights = np.asarray(dots.get_offsets())[:, 1]
    assert heights[0] != heights[1]
    assert heights[0] == heights[2]


def test_the_figure_of_findings_says_what_the_page_says():
    use_style()
    figure = findings_figure([finding("mean", 3.0, 3.1, 4.0, above=2.5), finding("mean", math.nan, above=1.0)])
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    plt.close(figure)
    assert "A claim" in texts
    assert "○ not judged" in texts


def test_a_lean_svg_has_the_same_paths_to_a_hundredth():
    assert lean_svg(b'<path d="M 1.23456 -2.001 L 3 4.5"/><use x="0.99999" style="opacity: 0.12345"/>') == (
        b'<path d="M 1.23 -2 L 3 4.5"/><use x="1" style="opacity: 0.12345"/>'
    )


def test_a_lean_svg_has_the_same_letters_in_the_same_places():
    """A glyph moved along its line is one that stands there."""
    line = b'<g>\n     <use xlink:href="#DejaVuSans-52" transform="translate(69.828125 0)"/>\n    </g>'
    assert lean_svg(line) == b'<g>\n<use xlink:href="#g52" x="69.83"/>\n</g>'
    assert lean_svg(b'<path id="DejaVuSans-52" d="M 1 2 \nL 3 4 \n"/>') == b'<path id="g52" d="M 1 2\nL 3 4\n"/>'
    turned = b'<use xlink:href="#DejaVuSans-52" transform="translate(69.828125 38.3) scale(0.7)"/>'
    assert lean_svg(turned) == turned.replace(b"DejaVuSans-", b"g")
