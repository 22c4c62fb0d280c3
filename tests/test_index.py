"""The table of all claims in Markdown."""

import re
from dataclasses import replace

from made_up import write_tables
from test_design import NUMBER, TOY
from test_front import FOREIGN, NUM_CLAIMS

from research.design.study import Claim
from research.publishing.drawing import entry
from research.publishing.index import index_markdown
from research.publishing.results import read_published


def test_links_of_the_markdown_index_and_pages_resolve(reports):
    for page in (
        reports / "README.md",
        *(reports / name / "README.md" for name in ("loss_convergence", "pixel_shuffle")),
    ):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / link).is_file()


def test_the_markdown_index_has_a_row_a_claim_and_counts_them(reports):
    text = (reports / "README.md").read_text()
    assert re.search(rf"{NUM_CLAIMS} claims: (\d+ \w+, )+2 withheld\.", text)
    assert "## What they promise together" in text
    assert len(re.findall(r"\]\(pixel_shuffle/README.md\) \|$", text, re.MULTILINE)) == 3
    assert "| 200,000 | [loss_convergence](loss_convergence/README.md) |" in text


def test_foreign_text_ends_no_cell_of_the_markdown_index(tmp_path):
    study = replace(TOY, claims=(Claim("c", FOREIGN, "B 1", "mean", NUMBER, above=0.5),))
    published = read_published(study, write_tables(study, tmp_path / "toy"))
    text = index_markdown([entry(published)])
    assert "| &lt;script>alert(1)&lt;/script> \\| &amp; “quotes”" in text
