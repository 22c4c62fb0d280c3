"""How a study looks in the MLflow UI: saved views of its experiment, and a colour for each cell.

A saved view is an experiment tag that the UI of the pinned MLflow reads and lists under "Views": filter, order, columns
and charts. All of it is derived from the study, so that another study with other factors and metrics gets its own.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import zlib
from collections.abc import Sequence
from typing import Any

from research.design.study import Factor, Levels, Study

VIEW = "mlflow.sharedViewState."  # begins the tag of a saved view; the rest is its key in an address
CELLS = "cells"  # the key of the view that shows every cell
MOST = 30  # saved views; the UI refuses to save a user's own beyond 40
COLOUR = "mlflow.runColor"  # the tag with a run's colour
# The palette that the figures use, seaborn's "colorblind"; grey is for cells outside the arms.
COLOURS = ("0173b2", "de8f05", "029e73", "d55e00", "cc78bc", "ca9161", "fbafe4", "949494", "ece133", "56b4e9")
GREY = "6f6f6f"


def saved_views(study: Study, tier: str, universes: bool = False) -> dict[str, str]:
    """The saved views of an experiment, as tag -> content: all cells, cells with their seeds, the cells of each level.

    In the experiment of the other universes the levels are those of the choices. The content is what the UI itself
    writes, the state deflated; the same study gives the same text.
    """
    is_cell = 'tags.kind = "cell"'
    by_name = {"orderByKey": "tags.`mlflow.runName`", "orderByAsc": True}
    choices = study.choices if universes else ()
    views = {CELLS: ("All cells", {"searchFilter": is_cell, **by_name, **_look(study, choices=choices)})}
    # Only in the order of time, and unfiltered, does the UI put replicates under their cell.
    nested = {"searchFilter": "", "orderByKey": "attributes.start_time", "orderByAsc": False}
    views["seeds"] = ("Cells with their seeds", {**nested, **_look(study, choices=choices)})
    for factor in choices or (*study.blocks, study.arms):
        for level in study.tiers[tier].levels.get(factor.name, factor.levels):
            where = f'{is_cell} and params.{factor.name} = "{level}"'
            key = re.sub(r"[^\w.-]", "_", f"{factor.name}-{level}")
            views[key] = (
                f"{factor.name} = {level}",
                {"searchFilter": where, **by_name, **_look(study, factor, choices)},
            )
    some = list(views.items())[:MOST]
    return {
        f"{VIEW}{key}": _content(len(some) - place, name, state)  # the UI lists the youngest first
        for place, (key, (name, state)) in enumerate(some)
    }


def _content(created: int, name: str, state: dict[str, Any]) -> str:
    deflated = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": f"deflate;{deflated}"})


def _look(study: Study, fixed: Factor | None = None, choices: Sequence[Factor] = ()) -> dict[str, Any]:
    """Columns and charts where a factor is fixed: the headline metrics first; the UI adds all others and the curves."""
    factors = [study.arms, *study.blocks]
    bounds = [f"{name}{end}" for name in study.headline for end in ("_low", "_high")]
    charts = []
    for name in study.headline:
        charts.append(_chart("BAR", name, metricKey=name))  # the UI makes it a line if the metric has a curve
        for factor in factors:
            if factor is not fixed and _is_numeric(factor):
                axes = {"xaxis": {"key": factor.name, "type": "PARAM"}, "yaxis": {"key": name, "type": "METRIC"}}
                charts.append(_chart("SCATTER", f"{name} by {factor.name}", isGenerated=False, **axes))
    # The interval's ends are columns; a deleted chart keeps the UI from drawing them as metrics of their own.
    charts += [_chart("BAR", name, metricKey=name, deleted=True) for name in bounds]
    metrics = [f"{name}{end}" for name in study.headline for end in ("", "_low", "_high")]
    return {
        "selectedColumns": [
            *(f"params.`{name}`" for name in (*(factor.name for factor in (*factors, *choices)), "seeds")),
            *(f"metrics.`{name}`" for name in metrics),
        ],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": "headline", "name": "Headline", "display": True, "columns": 2, "isGenerated": False},
            {"uuid": "others", "name": "Model metrics", "display": True, "isGenerated": True},
        ],
        "isAccordionReordered": True,  # else the UI sorts the sections by name
    }


def _chart(kind: str, name: str, **more: Any) -> dict[str, Any]:
    common = {"uuid": f"{kind} {name}", "type": kind, "displayName": name, "metricSectionId": "headline"}
    return {**common, "runsCountToCompare": 100, "deleted": False, "isGenerated": True, **more}


def _is_numeric(factor: Factor) -> bool:
    return len(factor.levels) > 1 and all(isinstance(level, int | float) for level in factor.levels)


def cell_colour(study: Study, levels: Levels) -> str:
    """A cell's colour as #rrggbb: the hue is its arm's, darker along the blocks; too many arms share one."""
    arm, arms = levels[study.arms.name], study.arms.levels
    hue = COLOURS[arms.index(arm) % len(COLOURS)] if arm in arms else GREY
    places = list(itertools.product(*(block.levels for block in study.blocks)))
    here = tuple(levels[block.name] for block in study.blocks)
    share = places.index(here) / max(1, len(places) - 1) if here in places else 0.5
    if arm in arms and len(arms) > len(COLOURS):
        hue, share = COLOURS[0], arms.index(arm) / (len(arms) - 1)
    towards, weight = (255, 0.6 - 1.2 * share) if share < 0.5 else (0, 0.6 * share - 0.3)
    channels = (int(hue[at : at + 2], 16) for at in (0, 2, 4))
    return "#" + "".join(f"{round(channel + weight * (towards - channel)):02x}" for channel in channels)
