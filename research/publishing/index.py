"""All studies as one page: a self-contained HTML file for anyone, and a short Markdown table beside it."""

from __future__ import annotations

import base64
import hashlib
import math
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from research.design.study import DOCUMENTS, Study
from research.design.wording import escaped, number_words
from research.judging.findings import Finding, Judgement
from research.judging.universe_findings import Across, AcrossFinding
from research.judging.verdict import VERDICTS
from research.publishing.pages import SIGNS, counts_words, interval_text, number_text, summary, verdict_words
from research.publishing.promise import Promise, promise_lines, promise_rows, promises_of

TEMPLATES = Path(__file__).parent / "templates"
RESULTS_BEGIN, RESULTS_END = "<!-- results: made by python -m research.report -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Entry:
    """What the index shows of a study: its findings, its Markdown page, its figures as SVG by name, its size.

    `across` are its findings across universes and `universes_page` the page about them, where universes were run.
    """

    study: Study
    judgement: Judgement
    page: str
    figures: Mapping[str, bytes]
    num_networks: int
    across: Across | None = None
    universes_page: str = ""


@dataclass(frozen=True)
class Row:
    """A claim in the table of all claims, with what the columns of numbers are sorted by."""

    study: Study
    finding: Finding
    condition: str
    verdict: str
    number: str
    interval: str
    sort_keys: tuple[float | str, ...]
    across: AcrossFinding | None = None

    @property
    def universes(self) -> str:
        """In how many universes it got which verdict; nothing where none were run."""
        return counts_words(self.across) if self.across else ""


def claim_rows(entries: Sequence[Entry]) -> list[Row]:
    """A row for each claim of each study, in the order in which they are declared."""
    rows = []
    for entry in entries:
        across = entry.across.claims if entry.across else [None] * len(entry.study.claims)
        for finding, claim, found in zip(entry.judgement.claims, entry.study.claims, across, strict=True):
            condition = f"{number_words(claim.number, entry.study)} is {finding.region}"
            scale = 100 if finding.unit else 1
            keys = [scale * value if math.isfinite(value) else "" for value in (finding.number, finding.low)]
            rows.append(
                Row(entry.study, finding, condition, verdict_words(finding), number_text(finding),
                    interval_text(finding), (*keys, finding.n, found.share_supported if found else ""), found)
            )  # fmt: skip
    return rows


def index_markdown(entries: Sequence[Entry]) -> str:
    """The short index: how many claims came out how, and the table of all of them with links to the studies' pages."""
    rows = claim_rows(entries)
    lines = [
        "# What holds: all claims of all studies",
        "",
        f"{tally(rows)} The same with figures, filters and explanations, to be opened in a browser: "
        "[index.html](index.html).",
        "",
        "| claim | from | verdict | universes | number | interval | n | study |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        finding, name = row.finding, row.study.name
        cells = (finding.text, finding.passage, f"**{row.verdict}**", row.universes, row.number, row.interval,
                 f"{finding.n:,}")  # fmt: skip
        lines.append(f"| {' | '.join(map(escaped, cells))} | [{name}]({name}/README.md) |")
    lines += [
        "",
        "*Withheld*: a control that guards the claim is refuted, so no verdict is given; what it would be is said "
        "beside. *Universes*: in how many of the combinations of what the documents leave open a claim is "
        f"{', '.join(f'{SIGNS[verdict]} {verdict}' for verdict in VERDICTS[:4])}, each judged by itself; those that "
        "differ in nothing its number can depend on count as one. The interval is that of the median or the mean. The "
        "page of a study says what each number is and where it must lie.",
        "",
        *promise_markdown(promises(entries)),
        *(f"{letter}: *{title}*." for letter, title in DOCUMENTS.items()),
    ]
    return "\n".join(lines) + "\n"


PROMISE_HEADS = ("study", "claims", "verdicts given", "would stand with 5 % for all studies together")


def promises(entries: Sequence[Entry]) -> list[Promise]:
    """What the verdicts of each study promise: those on its claims, and on those about all universes together."""
    return promises_of(
        [
            (entry.study, (*entry.judgement.claims, *(entry.across.main_effects if entry.across else ())))
            for entry in entries
        ]
    )


def promise_markdown(promises: Sequence[Promise]) -> list[str]:
    """What the claims together promise, as Markdown."""
    lines = ["## What they promise together", ""]
    for line in promise_lines(promises):
        lines += [escaped(line), ""]
    lines += [f"| {' | '.join(PROMISE_HEADS)} |", "|---" * len(PROMISE_HEADS) + "|"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in promise_rows(promises)), ""]


def with_results(readme: str, entries: Sequence[Entry]) -> str:
    """The project's README with what came out, a row for each study between its two marks, made again."""
    given = {row.finding.verdict for row in claim_rows(entries)}
    verdicts = [verdict for verdict in SIGNS if verdict in given]
    head = ("question", *(f"{SIGNS[verdict]} {verdict}" for verdict in verdicts), "universes")
    lines = [tally(claim_rows(entries)), "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for entry in entries:
        found = [finding.verdict for finding in entry.judgement.claims]
        cells = [f"[{escaped(entry.study.question)}](reports/{entry.study.name}/README.md)"]
        cells += [str(found.count(verdict) or "") for verdict in verdicts]
        cells.append(str(len(entry.across.claims[0].points)) if entry.across and entry.across.claims else "")
        lines.append(f"| {' | '.join(cells)} |")
    before, _, rest = readme.partition(f"{RESULTS_BEGIN}\n")
    _, _, after = rest.partition(f"{RESULTS_END}\n")
    return "\n".join([f"{before}{RESULTS_BEGIN}", *lines, f"{RESULTS_END}\n"]) + after


def tally(rows: Sequence[Row]) -> str:
    """How many claims came out how, in a sentence."""
    verdicts = [row.finding.verdict for row in rows]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in SIGNS if verdict in verdicts)
    return f"{len(rows)} claim{'' if len(rows) == 1 else 's'}: {counts}."


def index_html(entries: Sequence[Entry]) -> str:
    """The self-contained page. Its style and script are allowed by their hashes alone, so nothing else can run."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    style, script = ((TEMPLATES / f"index.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    rows = claim_rows(entries)
    verdicts = [row.finding.verdict for row in rows]
    studies = [
        {
            "name": entry.study.name,
            "question": entry.study.question,
            "summary": Markup(MarkdownIt("commonmark", {"html": False}).render(summary(entry.judgement))),
            "section": Markup(section(entry, entry.page.replace(summary(entry.judgement), ""))),  # stands above
            "universes": Markup(section(entry, entry.universes_page, "universes") if entry.universes_page else ""),
        }
        for entry in entries
    ]
    text = environment.get_template("index.html").render(
        style=Markup(style),
        script=Markup(script),
        style_hash=content_hash(style),
        script_hash=content_hash(script),
        rows=rows,
        studies=studies,
        documents=DOCUMENTS,
        signs=SIGNS,
        counts={verdict: verdicts.count(verdict) for verdict in SIGNS if verdict in verdicts},
        promises=promise_lines(promises(entries)),
        promise_heads=PROMISE_HEADS,
        promise_rows=promise_rows(promises(entries)),
        num_networks=sum(entry.num_networks for entry in entries),
        num_universes=sum(
            len(entry.across.claims[0].points) for entry in entries if entry.across and entry.across.claims
        ),
    )
    signs = "".join(SIGNS.values())
    text = re.sub(rf"(?<=[{signs}]) (?=\d+ (?:·|of))", "&nbsp;", text)  # in how many universes, with its sign
    text = re.sub(r"(?<=\d of) (?=\d)", "&nbsp;", text)
    return re.sub(r"(?<=\d) %(?![0-9A-F]{2})", "&nbsp;%", text)  # but for what is encoded in a figure


def content_hash(text: str) -> str:
    """How a content security policy names an inline style or script that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def section(entry: Entry, page: str, part: str = "") -> str:
    """A page of a study as HTML: headings one level down with ids, figures inside, links as seen from the index."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(page)
    name, ids = f"{entry.study.name}-{part}" if part else entry.study.name, set[str]()
    heads: list[str] = []
    for token, following in pairwise([*tokens, Token("end", "", 0)]):
        if token.type in ("heading_open", "heading_close"):
            depth = int(token.tag[1]) + 1
            token.tag = f"h{depth}"
            if token.nesting == 1:
                slug = re.sub("[^a-z0-9]+", "-", following.content.lower()).strip("-")
                token.attrs["id"] = unused(name if depth == 2 else f"{name}-{slug}", ids)
        elif token.type == "thead_open":
            heads = []
        elif token.type == "th_open":
            heads.append(following.content)
        elif token.type == "tr_open":
            column = iter(heads)
        elif token.type == "td_open":
            token.attrs["data-label"] = next(column)
        elif token.type == "inline":
            token.children = list(placed(token.children or [], entry))
    return str(markdown.renderer.render(list(with_captions(tokens)), markdown.options, {}))


def unused(wanted: str, ids: set[str]) -> str:
    """An id that no other heading has, and from now on this one."""
    while wanted in ids:
        wanted += "-more"
    ids.add(wanted)
    return wanted


def placed(tokens: Sequence[Token], entry: Entry) -> Iterator[Token]:
    """The parts of a line, with the study's figures in them and its links as seen from the index."""
    for token in tokens:
        if token.type == "image":
            yield Token("html_inline", "", 0, content=figure_html(token, entry))
            continue
        href = str(token.attrs.get("href", ""))
        if token.type == "link_open" and not re.match(r"[a-z]+:|#", href):
            token.attrs["href"] = posixpath.normpath(posixpath.join(entry.study.name, href))
        yield token


def figure_html(image: Token, entry: Entry) -> str:
    """A figure of the study as a data URI, linked to its file; of any other image only what it shows, in words."""
    name = str(image.attrs["src"]).removesuffix(".svg")
    if name not in entry.figures:
        return str(escape(image.content))
    data = quote(re.sub(r"\s+", " ", entry.figures[name].decode().replace('"', "'")), safe=" ='/:;,.()-+*!@?[]{}|^~$_")
    link = f"{entry.study.name}/{name}.svg"
    return (
        f'<a class="figure" href="{escape(link)}"><img id="{escape(entry.study.name)}-figure-{escape(name)}" '
        f'alt="{escape(image.content)}" src="data:image/svg+xml,{data}"></a>'
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
