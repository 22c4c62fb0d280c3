"""Findings made readable: tables, figures, Markdown and the index, as a pure function of what was exported.

Whatever is published can be drawn again from its tables by anyone. Nothing here trains or judges.
"""
