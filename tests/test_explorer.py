"""What a reader picks in the explorer, in a real browser, is what the tables say."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from research.design.places import REPORTS
from research.design.study_files import load_study
from research.publishing.explorer import MOST_TIMES, thinned

STUDY = load_study("loss_convergence")
LOSSES = {"cross-entropy": "cross_entropy", "squared error": "mse"}


def numbers(page):
    """The rows of the table of numbers: what they are about, the mean, the interval, n."""
    rows = page.find_elements(By.CSS_SELECTOR, "#numbers-charts tbody tr")
    cells = [row.find_elements(By.TAG_NAME, "td") for row in rows]
    return {
        text(name): (float(mean.find_element(By.TAG_NAME, "data").get_attribute("value")), text(interval), text(n))
        for name, mean, interval, n, _ in cells
    }


def text(element):
    return element.get_property("textContent")


def verdicts(page):
    cells = page.find_elements(By.CSS_SELECTOR, "#verdicts tbody td:nth-child(2) b")
    return [cell.text.split()[-1] for cell in cells]


def said(page):
    return page.find_element(By.ID, "where").text


def picked(page, **levels):
    """Pick a study or levels of its choices as a person does, by what they are called."""
    for name, level in levels.items():
        select = page.find_element(By.NAME, name)
        page.execute_script("arguments[0].focus()", select)
        Select(select).select_by_visible_text(level)


def expected(runs, metric):
    """The mean of each loss with Student's interval, by pandas and scipy."""
    found = {}
    for name, loss in LOSSES.items():
        values = runs[metric][runs["loss"] == loss]
        half = student.ppf(0.975, len(values) - 1) * values.std() / np.sqrt(len(values))
        found[name] = (values.mean(), values.mean() - half, values.mean() + half, len(values))
    return found


def same_numbers(page, runs, metric, scale=1):
    shown = numbers(page)
    assert set(shown) == set(LOSSES)
    for name, (mean, low, high, n) in expected(runs, metric).items():
        value, interval, counted = shown[name]
        assert value == pytest.approx(mean, rel=1e-5)
        ends = [float(end.replace(",", "")) for end in interval.split(" to ")]
        assert ends == pytest.approx([scale * low, scale * high], rel=1e-3)
        assert counted.startswith(str(n))


@pytest.fixture
def page(opened):
    return opened("explorer.html#study=loss_convergence")


def test_the_reference_shows_the_studys_own_numbers_and_verdicts(page, reports):
    runs = pd.read_csv(reports / STUDY.name / "runs.csv")
    runs = runs[runs["case"] == "mnist"]
    same_numbers(page, runs, "steps_to_target")
    late = (runs["reached_target"] == 0).groupby(runs["loss"]).sum()
    for name, loss in LOSSES.items():
        assert numbers(page)[name][2] == f"20; {late[loss]} never arrived, counted to the end"
    Select(page.find_element(By.ID, "metric")).select_by_index(1)
    same_numbers(page, runs, "test_accuracy", scale=100)
    findings = pd.read_csv(reports / STUDY.name / "findings.csv")
    assert verdicts(page) == list(findings["verdict"][findings["role"] == "claim"])
    assert re.fullmatch("This is the reference, with 20 seeds: what the study.s own verdicts are about.", said(page))


def test_another_universe_shows_its_numbers_and_verdicts_and_stays_in_the_address(page, reports):
    picked(page, init="He")
    runs = pd.read_csv(reports / STUDY.name / "universes" / "runs.csv")
    reference = STUDY.reference
    others = [name for name in reference if name != "init"]
    at = (runs[others].astype(str) == [str(reference[name]) for name in others]).all(axis=1)
    same_numbers(page, runs[at & (runs["init"] == "he") & (runs["case"] == "mnist")], "steps_to_target")
    findings = pd.read_csv(reports / STUDY.name / "universes" / "findings.csv")
    at = (findings[others].astype(str) == [str(reference[name]) for name in others]).all(axis=1)
    there = list(findings["verdict"][at & (findings["init"] == "he")])
    assert verdicts(page) == there
    assert "each claim is judged by itself" in said(page)
    address = page.current_url
    assert address.endswith("#study=loss_convergence&init=he")
    page.get("about:blank")
    page.get(address)
    assert Select(page.find_element(By.NAME, "init")).first_selected_option.text == "He"
    assert verdicts(page) == there


def test_what_was_not_run_is_marked_and_said_with_what_was(page):
    picked(page, init="He")
    options = {option.text for option in Select(page.find_element(By.NAME, "rate")).options}
    assert "tenth (not run with the others)" in options
    picked(page, rate="tenth (not run with the others)")
    assert said(page).startswith("This combination was not run, so nothing is known of it.")
    assert not page.find_element(By.ID, "numbers").is_displayed()
    assert not page.find_element(By.ID, "verdicts").is_displayed()
    nearest = page.find_elements(By.CSS_SELECTOR, "#nearest button")
    assert {button.text for button in nearest} >= {"initialisation: default", "rate: customary"}
    nearest[0].send_keys(Keys.ENTER)
    assert "was run with" in said(page)
    assert page.find_element(By.ID, "numbers").is_displayed()
    page.find_element(By.CSS_SELECTOR, "#choices button").send_keys(Keys.ENTER)
    assert said(page).startswith("This is the reference")


def test_a_study_without_universes_has_no_other_combination_to_pick(page):
    picked(page, study="pixel shuffle")
    assert said(page).endswith("Other combinations of this study were not run yet.")
    selects = page.find_elements(By.CSS_SELECTOR, "#choices select")
    assert len(selects) == len(load_study("pixel_shuffle").choices)
    for select in selects:
        first, *others = Select(select).options
        assert first.is_enabled()
        assert others
        assert not any(option.is_enabled() for option in others)
        assert all(option.text.endswith("(not run)") for option in others)
    assert page.find_element(By.ID, "page").get_dom_attribute("href") == "pixel_shuffle/index.html"


def test_all_is_picked_by_keyboard_alone(page):
    page.execute_script("arguments[0].focus({focusVisible: true})", page.find_element(By.NAME, "init"))
    page.switch_to.active_element.send_keys(Keys.DOWN)
    assert "each claim is judged by itself" in said(page)
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("name") == "horizon"


def test_curves_are_means_over_seeds_and_each_is_drawn(page, reports):
    data = json.loads(page.find_element(By.ID, "data").get_property("textContent"))[STUDY.name]["curves"]
    curves = pd.read_csv(reports / STUDY.name / "curves.csv")
    curves = curves[curves["case"] == "mnist"]
    names = [metric["name"] for metric in data["metrics"]]
    assert {"train_loss", "validation_accuracy"} <= set(names)
    for line in data["lines"]:
        name = names[line["metric"]]
        rows = curves[curves["loss"] == STUDY.arms.levels[line["at"][0]]].dropna(subset=[name])
        means = rows.groupby("step")[name].mean()
        assert line["mean"] == pytest.approx(list(means[line["times"]]), rel=1e-3)
    drawn = page.find_elements(By.CSS_SELECTOR, "#curves-charts path.line")
    assert len([path for path in drawn if path.find_elements(By.XPATH, "./ancestor::*[@class='chart']")]) == 2


def test_a_factor_that_is_a_scale_is_an_axis_with_a_dot_for_each_cell_that_says_its_number(browser):
    """Of what is published of activation_depth: accuracy against depth, a line an activation."""
    browser.get(f"{REPORTS.as_uri()}/explorer.html#study=activation_depth")
    told = [text(dot) for dot in browser.find_elements(By.CSS_SELECTOR, "#numbers-charts .chart g title")]
    assert len(told) == 4 * 6
    runs = pd.read_csv(REPORTS / "activation_depth" / "runs.csv")
    mean = runs["test_accuracy"][(runs["activation"] == "sigmoid") & (runs["depth"] == 2)].mean()
    (line,) = (line for line in told if line.startswith("sigmoid, depth 2: "))
    assert float(line.split(": ")[1].split(" ")[0]) == pytest.approx(100 * mean, abs=0.01)
    assert line.endswith("n = 20")


def test_a_choice_may_be_called_like_what_every_list_has(opened):
    """The choice `length` of depth_vs_width."""
    page = opened("explorer.html#study=loss_convergence")
    page.execute_script("Object.assign(study().choices[0], {name: 'length', names: ['a', 'b']}); pickStudy()")
    picked(page, length="mean")
    assert page.current_url.endswith("&length=b")


def test_a_thinned_curve_keeps_both_ends_and_only_times_that_were_measured():
    times = list(range(0, 900, 3))
    assert thinned(times[:MOST_TIMES]) == times[:MOST_TIMES]
    kept = thinned(times)
    assert len(kept) == MOST_TIMES
    assert (kept[0], kept[-1]) == (times[0], times[-1])
    assert set(kept) <= set(times)


def test_what_is_shown_of_a_study_is_small():
    page = (REPORTS / "explorer.html").read_text()
    data = json.loads(re.search('id="data">(.+?)</script>', page, re.DOTALL)[1])
    assert set(data) == {path.parent.name for path in REPORTS.glob("*/findings.csv")}
    assert {name for name, shown in data.items() if len(json.dumps(shown)) > 200_000} == set()
