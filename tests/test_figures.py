"""What the axes show is what the frames say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from research.data import stream
from research.figures import draw_against, draw_curves, intervals, looks, place_legend, use_style
from research.stats import mean_interval

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
    draw_against(ax, last, "depth", "test_accuracy", "activation", ARMS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4"]
    dots = np.concatenate(
        [np.asarray(points.get_offsets())[:, 1] for points in ax.collections if len(points.get_offsets()) == 6]
    )
    assert sorted(dots) == pytest.approx(sorted(last["test_accuracy"]))


def test_a_diverged_replicate_leaves_a_gap_and_no_error(frame, ax):
    frame.loc[frame["seed"] == 0, "test_accuracy"] = np.nan
    draw_curves(ax, frame[frame["depth"] == 1], "test_accuracy", "activation", ARMS)
    draw_against(ax, frame[frame["epoch"] == 2], "depth", "test_accuracy", "activation", ARMS)


def test_an_arm_without_rows_is_left_out(frame, ax):
    frame.loc[frame["activation"] == "relu", "test_accuracy"] = np.nan
    draw_curves(ax, frame[frame["depth"] == 1], "test_accuracy", "activation", [*ARMS, "gelu"])
    draw_against(ax, frame[frame["epoch"] == 2], "depth", "test_accuracy", "activation", [*ARMS, "gelu"])
    assert len(looks([f"arm{number}" for number in range(9)])) == 9


def test_arms_differ_in_colour_and_in_dashes_and_in_marker():
    for property in ("color", "linestyle", "marker"):
        values = [look[property] for look in looks(["sigmoid", "tanh", "relu", "gelu"]).values()]
        assert len(set(map(str, values))) == 4


def test_the_legend_uses_the_names_that_people_use(ax):
    place_legend(ax.figure, ["relu", "tanh"], marked=True)
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["ReLU", "tanh"]
