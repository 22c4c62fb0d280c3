"""Training stacks of multilayer perceptrons under Lightning, with all that is measured inside them.

It knows nothing of studies, of the record or of what is claimed: a configuration and seeds go in, numbers come out.
Gradients that are written out stand in `passes`, activations in `models`, data sets in `data`.
"""
