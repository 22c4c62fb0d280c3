"""Training stacks of multilayer perceptrons under Lightning, with all that is measured inside them.

It knows nothing of studies, of the record or of what is claimed: a configuration and seeds go in, numbers come out.
Activations and their gradients stand in `activations`, what else a hidden layer can have in `layer_pieces`, training
steps in `passes`, data sets in `data` and `data_functions`; `choices` says which values a configuration can have.
"""
