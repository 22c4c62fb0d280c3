"""Every page of the report for a browser: for the keyboard, a screen reader, a phone, paper and the eyes."""

import re
from itertools import pairwise

import pytest
from selenium.webdriver.common.by import By

PAGES = (
    "index.html",
    "explorer.html",
    "loss_convergence/index.html",
    "loss_convergence/universes.html",
    "pixel_shuffle/index.html",
)
CONTRAST = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ratio = (one, other) => {
  const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
};
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, alpha = 1] = parts(getComputedStyle(at).backgroundColor);
    if (alpha) return [r, g, b];
  }
  return [255, 255, 255];
}
"""
TEXTS = f"""{CONTRAST}
const found = [];
for (const element of document.querySelectorAll("body *")) {{
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.getClientRects().length || element.closest("script")) continue;
  const style = getComputedStyle(element);
  const colour = parts(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
  const reached = ratio(colour, behind(element));
  if (reached < 4.5) found.push(`${{reached.toFixed(2)}} ${{element.outerHTML.slice(0, 90)}}`);
}}
return found;
"""
GRAPHICS = f"""{CONTRAST}
const paper = behind(document.body);
return [...document.querySelectorAll(".mark span, .chart path.line, .legend path, .strip path")]
  .map((element) => [getComputedStyle(element), element])
  .map(([style, element]) => [element.tagName === "SPAN" ? style.backgroundColor : style.stroke, element])
  .map(([colour, element]) => [ratio(parts(colour), paper), element])
  .filter(([reached, element]) => reached < 3 && !element.closest(".withheld, .not-judged"))
  .map(([reached, element]) => `${{reached.toFixed(2)}} ${{element.outerHTML.slice(0, 90)}}`);
"""


@pytest.fixture(params=PAGES)
def page(request, opened):
    return opened(request.param)


def narrow(page, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_headings_begin_with_one_title_and_leave_out_no_level(page):
    levels = [int(head.tag_name[1]) for head in page.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4, h5, h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_figure_loads_and_has_words_beside_it(page):
    for image in page.find_elements(By.TAG_NAME, "img"):
        assert page.execute_script("return arguments[0].complete && arguments[0].naturalWidth > 0", image)
        assert image.get_attribute("alt")
        assert image.find_element(By.XPATH, "./ancestor::figure").find_element(By.TAG_NAME, "figcaption").text
    assert page.execute_script("return document.querySelectorAll('figure figure, figcaption figure').length") == 0


@pytest.mark.parametrize("name", ["loss_convergence", "pixel_shuffle"])
def test_the_page_of_a_study_has_all_of_its_figures(opened, reports, name):
    links = [image.get_dom_attribute("src") for image in opened(f"{name}/index.html").find_elements(By.TAG_NAME, "img")]
    if (reports / name / "universes.html").exists():
        links += [
            image.get_dom_attribute("src")
            for image in opened(f"{name}/universes.html").find_elements(By.TAG_NAME, "img")
        ]
    assert (
        {"findings.svg", "learning_curves.svg"} <= set(links) == {path.name for path in (reports / name).glob("*.svg")}
    )


def test_everything_one_can_use_has_a_name(page):
    for control in page.find_elements(By.CSS_SELECTOR, "select, input, button, a[href], summary, svg[role=img]"):
        assert control.accessible_name, control.get_attribute("outerHTML")


def test_cells_of_tables_belong_to_heads(page):
    for table in page.find_elements(By.TAG_NAME, "table"):
        heads = table.find_elements(By.TAG_NAME, "th")
        assert heads
        assert {head.get_attribute("scope") for head in heads} == {"col"}
    narrow(page, 360)
    for table in filter(lambda one: one.is_displayed(), page.find_elements(By.TAG_NAME, "table")):
        assert table.aria_role == "table"  # though a narrow window shows its cells as blocks


def test_every_link_resolves_and_no_id_is_there_twice(page, reports):
    ids = [part.get_attribute("id") for part in page.find_elements(By.CSS_SELECTOR, "[id]")]
    assert len(ids) == len(set(ids))
    for link in page.execute_script("return [...document.querySelectorAll('a[href]')].map((one) => one.href)"):
        place, _, anchor = link.partition("#")
        path = reports / place.removeprefix(f"{reports.as_uri()}/")
        assert path.is_file(), link
        if anchor and path.suffix == ".html" and not anchor.startswith("study="):
            assert f'id="{anchor}"' in path.read_text(), link


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_drawings_stand_out_from_what_is_behind_them(page, scheme):
    """WCAG AA: 4.5 for text, 3 for graphics that say something."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert page.execute_script(TEXTS) == []
    assert page.execute_script(GRAPHICS) == []
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_check_of_contrast_sees_what_is_too_pale(page):
    page.execute_script("document.querySelector('h1').style.setProperty('color', '#999')")
    (found,) = page.execute_script(TEXTS)
    assert "<h1" in found


def test_focus_is_seen(page):
    for part in page.find_elements(By.CSS_SELECTOR, "a[href], button, select, input, summary")[:60]:
        page.execute_script("arguments[0].focus({focusVisible: true})", part)
        if page.execute_script("return document.activeElement !== arguments[0]", part):
            assert not part.is_displayed()
            continue
        style = page.execute_script(
            "const s = getComputedStyle(arguments[0]); return [s.outlineStyle, s.outlineWidth]", part
        )
        assert style == ["solid", "3px"], part.get_attribute("outerHTML")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_window_is_too_narrow(page, width):
    narrow(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    wide = """return [...document.querySelectorAll('td, th, p, li, h1, h2, h3, select')].filter(
        (part) => part.getClientRects().length && part.getBoundingClientRect().right > innerWidth + 1)
        .map((part) => part.outerHTML.slice(0, 99))"""
    assert page.execute_script(wide) == []


def test_nothing_is_asked_of_any_network_and_no_foreign_code_may_run(page):
    asked = page.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [place for place in asked if not place.startswith("file:")] == []
    policy = page.find_element(By.CSS_SELECTOR, "meta[http-equiv]").get_attribute("content")
    assert re.fullmatch(
        r"default-src 'none'; img-src ('self' file: )?data:; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+'; "
        "base-uri 'none'; form-action 'none'",
        policy,
    )
