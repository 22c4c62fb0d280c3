"""What the saved views and colours of a study are made of; tests/test_ui.py looks at them in a browser."""

import base64
import json
import zlib
from dataclasses import replace

from research.design.study import Factor, Study, Tier
from research.design.study_files import load_study
from research.record.views import CELLS, VIEW, cell_colour, saved_views
from research.training.config import TrainConfig


def configure(rate: float, shape: str, depth: int) -> TrainConfig:
    return TrainConfig("digits", lr=rate, activation=shape, depth=depth)


STUDY = Study(
    name="rates",
    question="Does the rate matter?",
    passage="nowhere",
    configure=configure,
    arms=Factor("rate", (0.1, 0.3)),
    blocks=(Factor("shape", ("relu", "tanh")), Factor("depth", (1, 2, 3))),
    headline=("final_error", "area"),
    tiers={"full": Tier(seeds=3), "small": Tier(seeds=2, levels={"depth": (1,)})},
)


def decoded(tier="full", study=STUDY, universes=False):
    """The views as the UI reads them: key -> name and state."""
    found = {}
    for tag, content in saved_views(study, tier, universes).items():
        envelope = json.loads(content)
        method, _, text = envelope["state"].partition(";")
        assert (method, type(envelope["createdAt"]), type(envelope["updatedAt"])) == ("deflate", int, int)
        found[tag.removeprefix(VIEW)] = envelope["name"], json.loads(zlib.decompress(base64.b64decode(text)))
    return found


def test_there_is_a_view_of_all_cells_one_of_each_level_and_one_with_seeds():
    assert {key: name for key, (name, _) in decoded().items()} == {
        CELLS: "All cells", "shape-relu": "shape = relu", "shape-tanh": "shape = tanh", "depth-1": "depth = 1",
        "depth-2": "depth = 2", "depth-3": "depth = 3", "rate-0.1": "rate = 0.1", "rate-0.3": "rate = 0.3",
        "seeds": "Cells with their seeds",
    }  # fmt: skip


def test_the_views_are_listed_in_order_and_leave_room_for_the_users_own():
    many = replace(STUDY, blocks=(STUDY.blocks[0], Factor("depth", tuple(range(1, 60)))))
    created = [json.loads(content)["createdAt"] for content in saved_views(many, "full").values()]
    assert created == list(range(30, 0, -1))  # the UI lists the youngest first, and at most 40


def test_a_smaller_tier_has_views_of_its_own_levels_only():
    assert [key for key in decoded("small") if key.startswith("depth")] == ["depth-1"]


def test_a_level_is_found_by_its_param_among_cells():
    assert decoded()["rate-0.1"][1]["searchFilter"] == 'tags.kind = "cell" and params.rate = "0.1"'
    assert decoded()["seeds"][1]["searchFilter"] == ""


def test_columns_are_the_factors_the_seeds_and_the_headline_metrics_with_their_intervals():
    assert decoded()[CELLS][1]["selectedColumns"] == [
        "params.`rate`", "params.`shape`", "params.`depth`", "params.`seeds`",
        "metrics.`final_error`", "metrics.`final_error_low`", "metrics.`final_error_high`",
        "metrics.`area`", "metrics.`area_low`", "metrics.`area_high`",
    ]  # fmt: skip


def test_each_headline_metric_has_bars_and_a_plot_over_each_numeric_factor_that_varies():
    def shown(key):
        charts = decoded()[key][1]["compareRunCharts"]
        return [chart["displayName"] for chart in charts if not chart["deleted"]]

    assert shown(CELLS) == ["final_error", "final_error by rate", "final_error by depth", "area", "area by rate",
                            "area by depth"]  # fmt: skip
    assert shown("depth-2") == ["final_error", "final_error by rate", "area", "area by rate"]


def test_the_ends_of_an_interval_are_not_drawn_as_metrics_of_their_own():
    charts = decoded()[CELLS][1]["compareRunCharts"]
    assert {chart["metricKey"] for chart in charts if chart["deleted"]} == {
        "final_error_low", "final_error_high", "area_low", "area_high",
    }  # fmt: skip
    assert len({chart["uuid"] for chart in charts}) == len(charts)


def test_the_same_study_gives_the_same_text_short_enough_for_mlflow():
    many = replace(STUDY, headline=tuple(f"metric_number_{i}" for i in range(20)))
    assert saved_views(many, "full") == saved_views(many, "full")
    assert max(map(len, saved_views(many, "full").values())) < 20_000  # MLflow's limit for a tag of an experiment


def test_arms_beyond_the_palette_share_a_hue_and_darken_one_after_the_other():
    study = load_study("width_sine")
    colours = [cell_colour(study, {"width": width, "case": "sine"}) for width in study.arms.levels]
    light = [sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours]
    assert light == sorted(light, reverse=True)
    assert len(set(colours)) == 11


def test_a_cell_has_the_hue_of_its_arm_and_darkens_along_the_blocks():
    def rgb(levels):
        colour = cell_colour(STUDY, levels)
        return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]

    blues = [rgb({"rate": 0.1, "shape": shape, "depth": depth}) for shape in ("relu", "tanh") for depth in (1, 2, 3)]
    assert all(red < green < blue for red, green, blue in blues)
    assert [sum(colour) for colour in blues] == sorted((sum(colour) for colour in blues), reverse=True)
    assert len(set(map(tuple, blues))) == 6
    red, green, blue = rgb({"rate": 0.3, "shape": "relu", "depth": 1})
    assert red > green > blue


def test_a_cell_outside_the_arms_is_grey():
    red, green, blue = (cell_colour(STUDY, {"rate": 9.0, "shape": "relu", "depth": 7})[at : at + 2] for at in (1, 3, 5))
    assert red == green == blue


def test_in_the_experiment_of_universes_levels_of_the_choices_have_views_and_columns():
    choosy = replace(
        STUDY,
        configure=lambda init, width, **levels: replace(configure(**levels), init=init, width=width),
        choices=(Factor("init", ("default", "he")), Factor("width", (8, 16))),
    )
    assert saved_views(choosy, "full") == saved_views(STUDY, "full")
    views = decoded(study=choosy, universes=True)
    assert list(views) == [CELLS, "seeds", "init-default", "init-he", "width-8", "width-16"]
    assert views["width-16"][1]["searchFilter"] == 'tags.kind = "cell" and params.width = "16"'
    assert views[CELLS][1]["selectedColumns"][:6] == [
        "params.`rate`", "params.`shape`", "params.`depth`", "params.`init`", "params.`width`", "params.`seeds`",
    ]  # fmt: skip
