"""Figures, captions and notes of the study whose every text is markup."""

import matplotlib.pyplot as plt
from studies.hostile import MARKUP, MORE, TEXT

CAPTIONS = {"one": f"Caption {TEXT}"}


def notes(found):
    """Conclusions with the text in them."""
    return f"## Notes {TEXT}\n\nIn a line {TEXT}\n\n{MARKUP}\n\n{MORE}\n\n```\n{TEXT}\n```"


def figures(tables):
    """One figure with the text wherever matplotlib writes text or names into an SVG."""
    figure, ax = plt.subplots()
    ax.plot([0, 1], gid=f"line {MARKUP}")
    ax.set_title(MARKUP, fontsize=3, parse_math=False)
    return {"one": figure}
