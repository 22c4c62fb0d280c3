"""A harness that turns what documents claim about multilayer perceptrons into controlled, tracked experiments."""
