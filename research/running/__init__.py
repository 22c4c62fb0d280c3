"""What is missing, handed to workers, here or on a cluster, and recorded as it comes in; progress and time left.

One coordinator plans, hands out and writes; workers are functions from a stack to results. What is run is not known
here, nor what its numbers mean.
"""
