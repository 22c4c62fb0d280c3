"""The page of all studies, as a person meets it: in a real browser, from disk."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import write_tables
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from test_design import NUMBER, TOY

from research.design.study import Claim, Control
from research.design.study_files import load_study
from research.publishing.drawing import entry, render
from research.publishing.index import index_html, index_markdown
from research.publishing.results import read_published
from research.report import main

STUDIES = ("loss_convergence", "pixel_shuffle")
NUM_CLAIMS, NUM_FIGURES = 9, 4 + 4 + 4  # findings and three of their own; margins of four claims
FOREIGN = "<script>alert(1)</script> | & “quotes” <img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> Path:
    """Two published studies, one with a control that is refuted."""
    folder = tmp_path_factory.mktemp("reports")
    write_tables(load_study("loss_convergence"), folder / "loss_convergence")
    every_order_is_learnt = {"test_accuracy": lambda row, rng: 0.1 if "shuffled" in row["pixels"] else 0.95}
    write_tables(load_study("pixel_shuffle"), folder / "pixel_shuffle", **every_order_is_learnt)
    assert main(["--reports", str(folder)]) == 0
    return folder


@pytest.fixture
def page(browser, reports):
    """The page as it opens, in a wide window; nothing may be said in the console in the course of a test."""
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get((reports / "index.html").as_uri())
    yield browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []


def shown(page) -> list[str]:
    """The claims that are shown, from top to bottom."""
    cells = page.find_elements(By.CSS_SELECTOR, "#all-claims tbody td:first-child")
    return [cell.get_attribute("data-key") for cell in cells if cell.is_displayed()]


def count(page) -> str:
    return page.find_element(By.ID, "count").text


def test_nothing_is_asked_of_any_network_and_no_foreign_code_may_run(page, reports):
    text = (reports / "index.html").read_text()
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)
    added = "const it = document.createElement('script'); it.textContent = 'window.evil = 1'; document.body.append(it)"
    page.execute_script(added)
    assert page.execute_script("return window.evil") is None
    assert any("Content Security Policy" in line["message"] for line in page.get_log("browser"))


def test_every_figure_loads_and_has_words_beside_it(page):
    images = page.find_elements(By.TAG_NAME, "img")
    assert len(images) == NUM_FIGURES
    for image in images:
        assert page.execute_script("return arguments[0].complete && arguments[0].naturalWidth > 0", image)
        assert image.get_attribute("alt")
    assert len(page.find_elements(By.TAG_NAME, "figcaption")) == len(images)
    assert page.execute_script("return document.querySelectorAll('figure figure, figcaption figure').length") == 0


def test_every_link_resolves_and_no_id_is_there_twice(page, reports):
    ids = [part.get_attribute("id") for part in page.find_elements(By.CSS_SELECTOR, "[id]")]
    assert len(ids) == len(set(ids))
    links = [link.get_dom_attribute("href") for link in page.find_elements(By.CSS_SELECTOR, "a[href]")]
    assert {"#loss_convergence", "loss_convergence/runs.csv", "README.md"} < set(links)
    for link in links:
        path, _, anchor = link.partition("#")
        assert (anchor in ids) if not path else (reports / path).is_file()


def test_links_of_the_markdown_index_and_pages_resolve(reports):
    for page in (reports / "README.md", *(reports / name / "README.md" for name in STUDIES)):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / link).is_file()


def test_filters_narrow_the_table_and_say_how_much_is_left(page):
    assert (len(shown(page)), count(page)) == (NUM_CLAIMS, f"{NUM_CLAIMS} of {NUM_CLAIMS} claims")
    Select(page.find_element(By.NAME, "study")).select_by_visible_text("loss_convergence")
    assert (len(shown(page)), count(page)) == (6, f"6 of {NUM_CLAIMS} claims")
    page.find_element(By.NAME, "words").send_keys("GRADIENT logits p -")
    assert shown(page) == ["Cross-entropy's gradient at the logits is p - y"]
    page.find_element(By.NAME, "words").send_keys(" nonsense")
    assert page.find_element(By.ID, "nothing").is_displayed()
    page.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    page.execute_async_script("setTimeout(arguments[0])")
    assert count(page) == f"{NUM_CLAIMS} of {NUM_CLAIMS} claims"
    for verdict, number in (("withheld", 2), ("all", NUM_CLAIMS)):
        Select(page.find_element(By.NAME, "verdict")).select_by_visible_text(verdict)
        assert len(shown(page)) == number


def test_columns_sort_by_keyboard_both_ways(page):
    head = page.find_element(By.CSS_SELECTOR, "#all-claims th:nth-child(5)")
    assert head.get_attribute("aria-sort") == "none"
    page.find_element(By.CSS_SELECTOR, "#all-claims th:nth-child(4) button").send_keys(Keys.TAB)
    focused = page.switch_to.active_element
    assert focused.text == "number"
    assert page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused) == "solid"
    orders = []
    for direction in ("ascending", "descending"):
        focused.send_keys(Keys.ENTER)
        assert head.get_attribute("aria-sort") == direction
        cells = page.find_elements(By.CSS_SELECTOR, "#all-claims tbody td.number")
        keys = [cell.get_attribute("data-key") for cell in cells]
        assert keys == sorted(keys, key=lambda key: not key)  # what is not known stands last
        orders.append([float(key) for key in keys if key])
    assert orders[0] == sorted(orders[0])
    assert orders[1] == sorted(orders[1], reverse=True)
    page.find_element(By.CSS_SELECTOR, "#all-claims th:nth-child(1) button").send_keys(Keys.ENTER)
    assert shown(page) == sorted(shown(page), key=str.lower)
    assert head.get_attribute("aria-sort") == "none"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_window_is_too_narrow(page, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    wide = """return [...document.querySelectorAll('td, th, p, li, h1, h2, h3')].filter(
        (part) => part.getClientRects().length && part.getBoundingClientRect().right > innerWidth + 1).length"""
    assert page.execute_script(wide) == 0
    assert page.find_element(By.ID, "filters").is_displayed()


def test_print_shows_every_claim_whatever_is_filtered_and_no_filters(page):
    Select(page.find_element(By.NAME, "study")).select_by_visible_text("pixel_shuffle")
    assert len(shown(page)) == 3
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert len(shown(page)) == NUM_CLAIMS
    assert not page.find_element(By.ID, "filters").is_displayed()
    assert all(image.is_displayed() for image in page.find_elements(By.TAG_NAME, "img"))


def test_who_knows_no_code_reads_what_holds_and_what_verdicts_mean(page):
    text = page.find_element(By.TAG_NAME, "main").text
    assert "judged by how many of the repetitions do what it says" in text
    assert re.search("the claims that it guards are . withheld", text)
    assert "Verdicts are withheld because a control is refuted" in text
    assert re.search(r"would be\s✔ supported", text)
    assert re.search(r"If all \d+ claims shared the 5 %, \d+ of the \d+ verdicts that are given would stand", text)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> str:
    """The page of a study whose every text is foreign."""
    claim = Claim("c", FOREIGN, f"B 1 {FOREIGN}", "mean", NUMBER, above=0.5)
    study = replace(
        TOY, question=FOREIGN, passage=FOREIGN, says=FOREIGN, claims=(claim,),
        controls=(Control("k", FOREIGN, NUMBER, above=0.0),),
    )  # fmt: skip
    published = read_published(study, write_tables(study, tmp_path_factory.mktemp("hostile") / "toy"))
    return index_html([entry(published, render(published))])


def test_foreign_text_is_text(browser, hostile, tmp_path):
    (tmp_path / "index.html").write_text(hostile)
    browser.get((tmp_path / "index.html").as_uri())
    assert browser.get_log("browser") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    assert browser.find_elements(By.CSS_SELECTOR, "img[src=x]") == []
    assert FOREIGN in browser.find_element(By.CSS_SELECTOR, "#all-claims td").text
    assert FOREIGN in [head.text for head in browser.find_elements(By.TAG_NAME, "h2")]


def test_the_markdown_index_has_a_row_a_claim_and_counts_them(reports):
    text = (reports / "README.md").read_text()
    assert re.search(rf"{NUM_CLAIMS} claims: (\d+ \w+, )+2 withheld\.", text)
    assert "## What they promise together" in text
    assert len(re.findall(r"\]\(pixel_shuffle/README.md\) \|$", text, re.MULTILINE)) == 3
    assert "| 200,000 | [loss_convergence](loss_convergence/README.md) |" in text


def test_foreign_text_ends_no_cell_of_the_markdown_index(tmp_path):
    study = replace(TOY, claims=(Claim("c", FOREIGN, "B 1", "mean", NUMBER, above=0.5),))
    published = read_published(study, write_tables(study, tmp_path / "toy"))
    text = index_markdown([entry(published, {})])
    assert "| &lt;script>alert(1)&lt;/script> \\| &amp; “quotes”" in text
