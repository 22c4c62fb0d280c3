"""The front of the report, as a person meets it: in a real browser, from disk."""

import re
from dataclasses import replace

import pytest
from conftest import wait_until
from made_up import write_tables
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from test_design import NUMBER, TOY

from research.design.study import Claim, Control
from research.publishing.drawing import entry
from research.publishing.front import front_html
from research.publishing.results import read_published

NUM_CLAIMS = 9
FOREIGN = "<script>alert(1)</script> | & “quotes” <img src=x onerror=alert(2)>"


@pytest.fixture
def page(opened):
    return opened("index.html")


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


def test_each_claim_is_a_mark_in_its_verdicts_colour_that_says_what_it_is_and_leads_to_its_row(page):
    marks = page.find_elements(By.CLASS_NAME, "mark")
    rows = page.find_elements(By.CSS_SELECTOR, "#all-claims tbody tr")
    assert len(marks) == len(rows) == NUM_CLAIMS
    for mark, row in zip(marks, rows, strict=True):
        assert mark.get_dom_attribute("href") == f"#{row.get_attribute('id')}"
        assert row.get_attribute("data-verdict") in mark.get_attribute("class")
        claim = row.find_element(By.CSS_SELECTOR, "td").get_attribute("data-key")
        assert claim.rstrip(".") in mark.get_attribute("aria-label")
    colours = {mark.get_attribute("class"): mark.find_element(By.TAG_NAME, "span") for mark in marks}
    assert len({span.value_of_css_property("background-color") for span in colours.values()}) == len(colours) > 1


def test_a_mark_says_in_which_share_of_universes_its_claim_came_out_how(page):
    bars = {
        mark.get_dom_attribute("href"): [
            float(bar.get_attribute("width")) for bar in mark.find_elements(By.TAG_NAME, "rect")
        ]
        for mark in page.find_elements(By.CLASS_NAME, "mark")
    }
    assert {bool(widths) for link, widths in bars.items() if "loss_convergence" in link} == {True}
    assert {bool(widths) for link, widths in bars.items() if "pixel_shuffle" in link} == {False}
    assert all(sum(widths) == pytest.approx(100, abs=0.5) for widths in bars.values() if widths)


def test_a_mark_tells_its_claim_by_keyboard_and_leads_to_its_row_whatever_is_filtered(page):
    Select(page.find_element(By.NAME, "study")).select_by_visible_text("pixel_shuffle")
    mark = page.find_element(By.CSS_SELECTOR, ".mark")
    assert mark.get_dom_attribute("href") == "#loss_convergence.sooner"
    mark.send_keys(Keys.SHIFT)  # a key, so that its focus is one to be seen
    told = page.execute_script("return getComputedStyle(arguments[0], '::after').content", mark)
    assert "Cross-entropy reaches 95 %" in told.replace("\xa0", " ")
    mark.send_keys(Keys.ENTER)
    row = page.find_element(By.ID, "loss_convergence.sooner")
    wait_until(row.is_displayed)
    wait_until(lambda: page.execute_script("return arguments[0].getBoundingClientRect().top < innerHeight", row))


def test_what_a_student_asks_first_comes_before_studies_and_table(page):
    heads = [head.text for head in page.find_elements(By.TAG_NAME, "h2")]
    assert heads == ["What was found", "What a student will ask about first", "Study by study", "All claims",
                     "How to read this", "What the verdicts promise together"]  # fmt: skip
    chosen = page.find_element(By.CSS_SELECTOR, "[aria-labelledby=chosen]")
    assert chosen.find_elements(By.CSS_SELECTOR, "a[href='#loss_convergence.sooner']")


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


def test_print_shows_every_claim_whatever_is_filtered_and_no_filters(page):
    Select(page.find_element(By.NAME, "study")).select_by_visible_text("pixel_shuffle")
    assert len(shown(page)) == 3
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert len(shown(page)) == NUM_CLAIMS
    assert not page.find_element(By.ID, "filters").is_displayed()
    assert all(mark.is_displayed() for mark in page.find_elements(By.CLASS_NAME, "mark"))


def test_who_knows_no_code_reads_what_holds_and_what_verdicts_mean(page):
    text = page.find_element(By.TAG_NAME, "main").text
    assert "judged by how many of the repetitions do what it says" in text
    assert re.search("the claims that it guards are . withheld", text)
    assert "Verdicts are withheld because a control is refuted" in text
    assert re.search(r"would be\s✔ supported", text)
    assert re.search(r"If all \d+ claims shared the 5 %, \d+ of the \d+ verdicts that are given would stand", text)


@pytest.fixture(scope="module")
def hostile_front(tmp_path_factory) -> str:
    """The page of a study whose every text is foreign."""
    claim = Claim("c", FOREIGN, f"B 1 {FOREIGN}", "mean", NUMBER, above=0.5)
    study = replace(
        TOY, question=FOREIGN, passage=FOREIGN, says=FOREIGN, claims=(claim,),
        controls=(Control("k", FOREIGN, NUMBER, above=0.0),),
    )  # fmt: skip
    published = read_published(study, write_tables(study, tmp_path_factory.mktemp("hostile") / "toy"))
    return front_html([entry(published)])


def test_foreign_text_is_text(browser, hostile_front, tmp_path):
    (tmp_path / "index.html").write_text(hostile_front)
    browser.get_log("browser")
    browser.get((tmp_path / "index.html").as_uri())
    assert browser.get_log("browser") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    assert browser.find_elements(By.CSS_SELECTOR, "img[src=x]") == []
    assert FOREIGN in browser.find_element(By.CSS_SELECTOR, "#all-claims td").text
    assert FOREIGN in [head.text for head in browser.find_elements(By.TAG_NAME, "h3")]
    assert FOREIGN in browser.find_element(By.CLASS_NAME, "mark").get_attribute("aria-label")
