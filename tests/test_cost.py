"""The cost model: a pure function of the configuration."""

from research.config import TrainConfig
from research.cost import nominal_seconds, num_parameters, stack_size
from research.models import StackedMLP


def test_the_stack_gets_smaller_as_the_network_outgrows_the_cache():
    sizes = [stack_size(TrainConfig(width=width)) for width in (8, 128, 512, 2048, 8192)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 10
    assert sizes[-1] == 1


def test_a_deeper_network_is_estimated_to_take_longer():
    assert nominal_seconds(TrainConfig(depth=1), 10) < nominal_seconds(TrainConfig(depth=8), 10)


def test_seeds_that_train_together_are_estimated_to_take_less_than_alone():
    assert nominal_seconds(TrainConfig(), 10) < 10 * nominal_seconds(TrainConfig(), 1)


def test_parameters_are_counted_as_torch_counts_them():
    for config in (TrainConfig(), TrainConfig(depth=0), TrainConfig(dataset="digits", depth=3, width=17)):
        assert num_parameters(config) == sum(p.numel() for p in StackedMLP(config, [0]).parameters())
