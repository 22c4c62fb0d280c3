"""Pages for a browser: what all of them share, and the page of a study, which is its Markdown with figures beside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from research.design.study import Study
from research.publishing.pages import SIGNS

TEMPLATES = Path(__file__).parent / "templates"
IN_HTML = {"README.md": "index.html", "universes.md": "universes.html"}  # a study's pages, for a browser
ROLES = {  # said again, since a narrow window shows cells as blocks, which some screen readers take for no table
    "table_open": "table", "thead_open": "rowgroup", "tbody_open": "rowgroup", "tr_open": "row",
    "th_open": "columnheader", "td_open": "cell",
}  # fmt: skip


def html_page(template: str, script: str = "", **values: Any) -> str:
    """A page from a template. Its style and script are allowed by their hashes alone, so no other can run."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    style = (TEMPLATES / "pages.css").read_text(encoding="utf-8")
    code = (TEMPLATES / script).read_text(encoding="utf-8") if script else ""
    return environment.get_template(template).render(
        style=Markup(style),
        style_hash=content_hash(style),
        script=Markup(code),
        script_hash=content_hash(code),
        signs=SIGNS,
        **values,
    )


def content_hash(text: str) -> str:
    """How a content security policy names an inline style or script that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def unbroken(html: str) -> str:
    """The same with numbers kept beside what they count, at the end of a line."""
    signs = "".join(SIGNS.values())
    html = re.sub(rf"(?<=[{signs}]) (?=\d+ (?:·|of))", "&nbsp;", html)  # in how many universes, with its sign
    html = re.sub(r"(?<=\d of) (?=\d)", "&nbsp;", html)
    return re.sub(r"(?<=\d) %", "&nbsp;%", html)


def study_html(study: Study, page: str, figures: Mapping[str, bytes]) -> str:
    """A Markdown page of a study for a browser; `figures` are those that lie beside it, as SVG by file name."""
    return unbroken(html_page("study.html", study=study, section=Markup(section(page, figures))))


def section(page: str, figures: Mapping[str, bytes]) -> str:
    """A Markdown page as HTML: headings with ids, figures linked, links to other pages as they are for a browser."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(page)
    heads: list[str] = []
    ids: set[str] = set()
    for token, following in pairwise([*tokens, Token("end", "", 0)]):
        if token.type in ROLES:
            token.attrs["role"] = ROLES[token.type]
        if token.type == "heading_open":
            slug = re.sub("[^a-z0-9]+", "-", following.content.lower()).strip("-")
            token.attrs["id"] = unused(slug or "section", ids)
        elif token.type == "thead_open":
            heads = []
        elif token.type == "th_open":
            heads.append(following.content)
            token.attrs["scope"] = "col"
        elif token.type == "tr_open":
            column = iter(heads)
        elif token.type == "td_open":
            token.attrs["data-label"] = next(column)
        elif token.type == "inline":
            token.children = list(placed(token.children or [], figures))
    return str(markdown.renderer.render(list(with_captions(tokens)), markdown.options, {}))


def rendered(text: str) -> Markup:
    """A few lines of Markdown as HTML."""
    return Markup(MarkdownIt("commonmark", {"html": False}).render(text))


def unused(wanted: str, ids: set[str]) -> str:
    """An id that no other heading has, and from now on this one."""
    while wanted in ids:
        wanted += "-more"
    ids.add(wanted)
    return wanted


def placed(tokens: Sequence[Token], figures: Mapping[str, bytes]) -> Iterator[Token]:
    """The parts of a line, with figures in them and links to pages as they are for a browser."""
    for token in tokens:
        if token.type == "image":
            yield Token("html_inline", "", 0, content=figure_html(token, figures))
            continue
        if token.type == "link_open":
            href = str(token.attrs["href"])
            token.attrs["href"] = IN_HTML.get(href, "../index.html" if href == "../README.md" else href)
        yield token


def figure_html(image: Token, figures: Mapping[str, bytes]) -> str:
    """A figure of the study, linked to its file; of any other image only what it shows, in words."""
    file = str(image.attrs["src"])
    if file not in figures:
        return str(escape(image.content))
    size = re.search(rb'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"', figures[file])
    space = " width={:.0f} height={:.0f}".format(*(float(side) * 4 / 3 for side in size.groups())) if size else ""
    return (
        f'<a class="figure" href="{escape(file)}"><img id="figure-{escape(file.removesuffix(".svg"))}" '
        f'alt="{escape(image.content)}" src="{escape(file)}"{space}></a>'
    )


def with_captions(tokens: Sequence[Token]) -> Iterator[Token]:
    """A paragraph that is a figure becomes `figure`, and a slanted one after it its caption."""
    waiting: Token | None = None
    inside: Token | None = None
    for token, following in pairwise([*tokens, Token("end", "", 0)]):
        children: list[Any] = following.children or []
        if token.type == "paragraph_open" and len(children) == 1 and 'class="figure"' in children[0].content:
            token.tag, waiting = "figure", token
        elif token.type == "paragraph_open" and waiting and children and children[0].type == "em_open":
            token.tag, inside = "figcaption", token
        elif token.type == "paragraph_close" and inside:
            token.tag = "figcaption"
            yield token
            token, waiting, inside = Token("paragraph_close", "figure", -1, block=True), None, None
        elif token.type == "paragraph_close" and waiting:
            continue
        elif waiting and not inside and token.type.endswith("_open"):  # a figure without a caption
            yield Token("paragraph_close", "figure", -1, block=True)
            waiting = None
        yield token
