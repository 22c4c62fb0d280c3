"""Frames in, findings out: intervals, exact tests, verdicts and margins, in one universe and across them.

Pure functions of numbers and of what was declared: nothing here reads, writes, trains or draws.
"""
