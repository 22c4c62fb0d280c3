"""Text of a study is text wherever it is shown: what the real commands made, in a real browser. See test_safety.py."""

import re
import shutil

import pytest
from hostile.study import MARKUP, MORE, TEXT
from markdown_it import MarkdownIt
from selenium.webdriver.common.by import By
from watched import FOREIGN_PARTS, shown_text

NOTED = ("Caption", "Notes", "In a line")  # what reports/NAME.py writes is Markdown: links are links, HTML is text
HTML_PAGES = {  # what each shows: texts of the study, and what reports/NAME.py writes
    "index.html": (("Question",), ()),
    "explorer.html": (("Question",), ()),
    "hostile/index.html": (("Question", "A Passage", "Says", "All"), NOTED),
    "hostile/universes.html": (("Question", "Reasons", "All"), ()),
}
PAGES = {
    "reports/README.md": [],
    "reports/hostile/README.md": ["Question", "A Passage", "Says", "All"],
    "reports/hostile/universes.md": ["Question", "Reasons", "All"],
}
CLAIMS = (f"Claim {MARKUP}", f"Linked {MORE}")


@pytest.fixture
def seen(browser):
    """What becomes of a page that is opened: its text, after nothing of it has acted."""

    def opened(path):
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(path.as_uri())
        browser.execute_async_script("setTimeout(arguments[0], 100)")
        asked = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert [place for place in asked if not place.startswith("file:")] == []
        assert browser.execute_script(FOREIGN_PARTS) == []
        assert browser.title != "owned"  # a study's question may be part of it
        assert browser.get_log("browser") == []
        return shown_text(browser)

    return opened


@pytest.mark.parametrize("part", ["<script>", "<img", "<svg"])
def test_such_markup_acts_where_it_is_not_escaped(browser, tmp_path, part):
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><title>a</title>{part}{MARKUP.split(part)[1]}")
    browser.get((tmp_path / "page.html").as_uri())
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    assert browser.title == "owned"
    assert browser.execute_script(FOREIGN_PARTS) or part == "<script>"


@pytest.mark.parametrize("policy", [True, False], ids=["as it is", "without its policy"])
@pytest.mark.parametrize("name", HTML_PAGES)
def test_a_page_for_a_browser_shows_foreign_text_as_text(seen, browser, hostile, tmp_path, name, policy):
    shutil.copytree(hostile.folder / "reports", tmp_path / "reports")
    page = tmp_path / "reports" / name
    if not policy:
        text, number = re.subn('<meta http-equiv="Content-Security-Policy"[^>]+>', "", page.read_text())
        assert number == 1
        page.write_text(text)
    text = seen(page)
    heads, noted = HTML_PAGES[name]
    shown = (*(f"{head} {TEXT}" for head in heads), *(f"{head} {MARKUP}" for head in noted), *CLAIMS)
    assert [words for words in shown if words not in text] == []
    scripts = browser.find_elements(By.TAG_NAME, "script")
    assert len(scripts) == {"index.html": 1, "explorer.html": 2}.get(name, 0)  # the second is data
    assert len(browser.find_elements(By.TAG_NAME, "style")) == 1
    for image in browser.find_elements(By.TAG_NAME, "img"):
        assert re.fullmatch("[a-z_]+[.]svg", image.get_dom_attribute("src"))
        assert browser.execute_script("return arguments[0].complete && arguments[0].naturalWidth > 0", image)
    links = [link.get_dom_attribute("href") for link in browser.find_elements(By.TAG_NAME, "a")]
    assert [link for link in links if re.match("[a-z]+:|//", link, re.IGNORECASE)] == []


@pytest.mark.parametrize("name", ["findings", "universes", "universes_claims", "one"])
def test_a_figure_opened_by_itself_shows_foreign_text_as_text(seen, hostile, name):
    path = hostile.folder / "reports" / "hostile" / f"{name}.svg"
    assert "&lt;script" in path.read_text() or name in ("universes",)
    seen(path)


@pytest.mark.parametrize("name", PAGES)
def test_a_markdown_page_shows_foreign_text_as_text_even_where_html_in_markdown_acts(seen, hostile, tmp_path, name):
    shutil.copytree(hostile.folder / "reports", tmp_path / "reports")
    text = (tmp_path / name).read_text()
    theirs = re.sub(r"(?<=\n)## Notes.+(?=\n## Design)", "", text, flags=re.DOTALL)  # notes, captions: Markdown of ours
    assert (theirs != text) == (name == "reports/hostile/README.md")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(theirs)
    page = (tmp_path / name).with_suffix(".html")
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>a</title>{body}")
    text = seen(page)
    shown = (*(f"{head} {TEXT}" for head in PAGES[name]), *CLAIMS)
    assert [words for words in shown if words not in text] == []
