"""What holds for the machines of pretraining."""

import pytest
import torch

from studies.pretraining import free_energy_error


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_statistics_are_the_slope_of_the_free_energy_also_where_units_are_certain(scale):
    torch.manual_seed(0)
    data, weight = torch.rand(2, 100, 50), scale * torch.randn(2, 50, 20)
    error = free_energy_error(data, weight, torch.zeros(2, 1, 20), torch.zeros(2, 1, 50))
    assert error.max() < 1e-13
