"""What the figures across universes show is what the findings say."""

import io
from dataclasses import replace
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ROOT
from matplotlib.colors import to_hex
from test_universe_findings import HIGH, RELU, by_init, by_two, control, diverged, judged, low_tanh_with_adam

from research.design.study import Claim
from research.design.study_files import load_study
from research.publishing.figures import VERDICT_COLOURS, use_style
from research.publishing.pages import SIGNS
from research.publishing.results import read_published
from research.publishing.universe_figures import (  # fmt: skip
    choices_of,
    specification_curve,
    universe_captions,
    universe_figures,
    verdicts_across,
)


@pytest.fixture(autouse=True)
def figures():
    use_style()
    yield
    plt.close("all")


def curve(across):
    figure = plt.figure(figsize=(6.5, 3.0))
    specification_curve(figure, across.claims[0], choices_of(across.claims[0], across.choices))
    figure.draw_without_rendering()
    return figure.axes


def drawn(ax, *markers):
    """Place and height of every single mark of these kinds."""
    lines = [line for line in ax.lines if line.get_marker() in markers]
    return [(float(np.ravel(line.get_xdata())[0]), float(np.ravel(line.get_ydata())[0])) for line in lines]


def filled(ax):
    """Place and row of every square that says that a universe has a level."""
    return [
        tuple(offset)
        for marks in ax.collections
        if marks.get_sizes()[0] > 10
        for offset in np.array(marks.get_offsets())
    ]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_universes_stand_in_the_order_of_their_numbers_and_the_reference_is_marked():
    across = judged(by_init)
    top, _ = curve(across)
    heights = [y for _, y in sorted(drawn(top, "o", "D"))]
    assert heights == sorted(point.finding.number for point in across.claims[0].points)
    ((_, reference),) = drawn(top, "D")
    assert reference == across.claims[0].reference.number
    assert texts(top) == ["reference"]


def test_every_universe_has_its_level_of_every_choice_below():
    across = judged(by_init)
    _, marks = curve(across)
    labels = [label.get_text() for label in marks.get_yticklabels()]
    assert labels == ["default", "Xavier", "He", "SGD", "Adam", "customary", "tenth", "5", "20"]
    rows = dict(zip(marks.get_yticks(), labels, strict=True))
    assert len(filled(marks)) == 13 * 4
    points = sorted(across.claims[0].points, key=lambda point: point.finding.number)
    init = {int(place): rows[row] for place, row in filled(marks) if row < 3}
    words = {"default": "default", "xavier": "Xavier", "he": "He"}
    assert [init[place] for place in range(13)] == [words[point.levels["init"]] for point in points]


def test_the_share_of_each_choice_is_a_bar_beside_it():
    across = judged(by_two)
    _, marks = curve(across)
    shares = [share.shapley for share in across.claims[0].shares]
    assert {f"{100 * share:.0f} %" for share in shares} <= set(texts(marks))
    widths = sorted(bar.get_width() for bar in marks.patches)
    assert widths == pytest.approx(sorted(0.1 * max(share, 0.002) for share in shares))


def test_universes_that_count_as_one_are_one_column():
    metric = replace(HIGH, number=replace(RELU, metric="backward_factor"))
    across = judged(by_init, metric, change=lambda universes: [
        (levels, runs.rename(columns={"score": "backward_factor"})) for levels, runs in universes
    ])  # fmt: skip
    top, marks = curve(across)
    assert len(drawn(top, "o", "D")) == 3
    assert [label.get_text() for label in marks.get_yticklabels()] == ["default", "Xavier", "He"]


def test_a_verdict_has_its_colour_and_a_withheld_one_is_hollow():
    across = judged(low_tanh_with_adam, controls=(control(),))
    top, _ = curve(across)
    points = [line for line in top.lines if line.get_marker() in ("o", "D")]
    assert {to_hex(line.get_markeredgecolor()) for line in points} == set(VERDICT_COLOURS.values())
    assert sum(line.get_markerfacecolor() == "white" for line in points) == 6


def test_the_region_is_a_band_behind_the_numbers():
    top, _ = curve(judged(by_init))
    (band,) = top.patches
    assert band.get_y() == 0.5
    assert any(list(line.get_ydata()) == [0.5, 0.5] for line in top.lines)


def test_of_seeds_that_are_counted_the_median_is_drawn_on_the_region():
    top, _ = curve(judged(by_init, Claim("c", "text", "A", "share", RELU, above=0.5, share=0.75)))
    assert top.get_ylabel() == "number"
    assert top.patches[0].get_y() == 0.5
    assert all(0.1 < y < 1 for _, y in drawn(top, "o", "D"))


def test_errors_of_an_identity_stand_on_a_log_axis_and_none_at_all_on_a_plain_one():
    def errors(arm, depth, init, **_):
        return {"default": 1e-15, "xavier": 1e-10, "he": 1e-3}[init]

    identity = Claim("c", "text", "A", "identity", RELU, below=1e-9)
    assert curve(judged(errors, identity, scatter=0.0))[0].get_yscale() == "log"
    assert curve(judged(lambda *_, **levels: 0.0, identity, scatter=0.0))[0].get_yscale() == "linear"


def test_a_universe_whose_number_is_not_known_has_an_interval_over_the_whole_axis():
    top, _ = curve(judged(by_init, change=diverged(lambda levels: levels["horizon"] == 20)))
    assert len(drawn(top, "o", "D")) == 12
    bottom, edge = top.get_ylim()
    assert edge < 2
    assert any(
        list(line.get_ydata()) == pytest.approx([bottom, edge]) for line in top.lines if len(line.get_xdata()) == 2
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_far_off_leaves_the_others_apart(sign):
    def wild(arm, depth, init, optimizer, rate, horizon):
        return sign * 1e6 if horizon == 20 else by_init(arm, depth, init, optimizer, rate, horizon) - 0.4

    top, _ = curve(judged(wild))
    assert top.get_yscale() == "symlog"
    places = [float(top.transAxes.inverted().transform(top.transData.transform(at))[1]) for at in drawn(top, "o", "D")]
    assert all(0 <= place <= 1 for place in places)
    usual = sorted(places)[:-1] if sign > 0 else sorted(places)[1:]
    assert max(usual) - min(usual) > 0.05


def test_a_universe_that_was_not_measured_has_its_levels_and_no_number():
    across = judged(by_init, change=lambda universes: [*universes[:-1], (universes[-1][0], universes[-1][1][:0])])
    top, marks = curve(across)
    assert len(drawn(top, "o", "D")) == 12
    assert len(filled(marks)) == 13 * 4


def test_the_reference_alone_can_be_drawn_too():
    across = judged(by_init, change=lambda universes: universes[:1])
    assert len(drawn(curve(across)[0], "D")) == 1
    assert list(universe_figures(across)) == list(universe_captions(across)) == ["universes"]


def test_all_claims_stand_in_one_figure_with_their_counts_and_what_decides():
    across = judged(low_tanh_with_adam, HIGH, replace(HIGH, name="low", text="It is above nothing", above=0.0),
                    controls=(control(),))  # fmt: skip
    figure = verdicts_across(across)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [4, 3, 6, 7, 6]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ReLU scores high", "It is above nothing"]
    shown = texts(ax)
    for text in ("✔ 4", "✘ 3", f"{SIGNS['withheld']} 6", "✔", "✘"):
        assert text in shown
    assert any(text.startswith("Holds under Xavier or He initialisation; fails under") for text in shown)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["✔ supported", "✘ refuted", f"{SIGNS['withheld']} withheld"]


def test_figures_and_captions_have_the_same_names_and_figures_the_same_bytes_each_time():
    across = judged(by_init, HIGH, replace(HIGH, name="other", above=0.6))
    assert list(universe_figures(across)) == list(universe_captions(across)) == [
        "universes", "universes_claims",
    ]  # fmt: skip
    contents = []
    for _ in range(2):
        content = io.BytesIO()
        universe_figures(across)["universes_claims"].savefig(content, format="svg", metadata={"Date": None})
        contents.append(content.getvalue())
    assert contents[0] == contents[1]


def test_a_study_without_claims_has_no_such_figures():
    across = replace(judged(by_init), claims=())
    assert universe_figures(across) == universe_captions(across) == {}


@pytest.mark.parametrize("name", ["depth_vs_width", "output_heads"])
def test_no_words_lie_on_others(name):
    """Of studies with long sentences and long words for levels."""
    across = read_published(load_study(name), ROOT / "reports" / name).universes.across
    for figure in universe_figures(across).values():
        figure.draw_without_rendering()
        for ax in figure.axes:
            words = [text for text in (*ax.texts, *ax.get_yticklabels()) if text.get_text() and text.get_visible()]
            boxes = [text.get_window_extent() for text in words]
            hit = [(a.get_text(), b.get_text()) for (a, x), (b, y) in combinations(zip(words, boxes, strict=True), 2)
                   if x.shrunk(0.9, 0.9).overlaps(y.shrunk(0.9, 0.9))]  # fmt: skip
            assert not hit
