"""What is asked: a study with its factors, claims and controls, and the plan that follows from it.

All here are frozen values that are checked when they are built, and functions from one to the next. Nothing here runs,
reads or writes anything but study files, and nothing heavy is imported, so that a plan is shown at once.
"""
