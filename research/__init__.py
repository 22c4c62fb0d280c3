"""A harness that turns what documents claim about multilayer perceptrons into controlled, replicated, tracked experiments."""
