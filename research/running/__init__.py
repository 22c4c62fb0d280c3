"""What is missing, handed to worker processes and recorded as it comes in; searches, progress and time left.

One coordinator plans, hands out and writes; workers are functions from a stack to results. What is run is not known
here, nor what its numbers mean.
"""
