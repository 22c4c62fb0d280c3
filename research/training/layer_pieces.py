"""What a hidden layer can have beside its affine map and activation: normalisations, dropout, a skip, a learnt slope.

Each stands here once, forwards, for R replicates that share nothing; gradients are autograd's. What needs the whole
batch (batch normalisation) is never given a part of it in training, and by what it has kept when nobody trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from research.design.streams import stream
from research.training.activations import ACTIVATIONS
from research.training.config import TrainConfig

EPSILON = 1e-5  # added to a variance, as torch.nn.LayerNorm and BatchNorm1d have it
MOMENTUM = 0.1  # of the kept mean and variance, the weight of the newest batch: that of torch.nn.BatchNorm1d


class LayerNorm(nn.Module):
    """Normalises the units of each example, then gives each unit a gain and a shift (Ba, Kiros and Hinton 2016)."""

    def __init__(self, replicates: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(replicates, 1, width, dtype=dtype))
        self.shift = nn.Parameter(torch.zeros(replicates, 1, width, dtype=dtype))

    def forward(self, inputs: Tensor, _: bool) -> Tensor:
        """Normalised inputs [R, B, H]."""
        return F.layer_norm(inputs, inputs.shape[2:], eps=EPSILON) * self.gain + self.shift


class BatchNorm(nn.Module):
    """Normalises each unit over the examples of a batch, then gain and shift (Ioffe and Szegedy 2015).

    In training by the batch's own mean and variance; else by running means of both, as in torch.nn.BatchNorm1d, which
    are buffers: no gradient reaches them, but they are part of what a network is.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, replicates: int, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(replicates, 1, width, dtype=dtype))
        self.shift = nn.Parameter(torch.zeros(replicates, 1, width, dtype=dtype))
        self.register_buffer("mean", torch.zeros(replicates, 1, width, dtype=dtype))
        self.register_buffer("variance", torch.ones(replicates, 1, width, dtype=dtype))

    def forward(self, inputs: Tensor, training: bool) -> Tensor:
        """Normalised inputs [R, B, H]; in training B is the whole batch."""
        replicates, batch, width = inputs.shape
        side_by_side = inputs.transpose(0, 1).reshape(batch, replicates * width)
        kept = (self.mean.view(-1), self.variance.view(-1), self.gain.view(-1), self.shift.view(-1))
        normalised = F.batch_norm(side_by_side, *kept, training, MOMENTUM, EPSILON)
        return normalised.view(batch, replicates, width).transpose(0, 1)


class Dropout:
    """In training, sets each unit to zero at a rate and divides the others by 1 - rate (Srivastava and others 2014).

    Each replicate draws from a stream of its own, so its masks are the same whoever trains beside it.
    """

    def __init__(self, rate: float, seeds: Sequence[int], layer: int) -> None:
        self.rate = rate
        self.generators = [
            torch.Generator().manual_seed(int(stream(seed, "dropout", layer).integers(2**63))) for seed in seeds
        ]

    def __call__(self, inputs: Tensor, training: bool) -> Tensor:
        """Inputs [R, B, H] with the next masks."""
        if not training or not self.rate:
            return inputs
        draws = torch.stack([torch.rand(inputs.shape[1:], generator=each) for each in self.generators])
        return inputs * (draws >= self.rate).to(inputs) / (1 - self.rate)


NORMALIZATIONS: dict[str, Callable[[int, int, torch.dtype], nn.Module]] = {"layer": LayerNorm, "batch": BatchNorm}


class Pieces(nn.Module):
    """All that a hidden layer has behind its affine map, in this order: normalisation, activation, dropout, skip.

    A skip adds the layer's inputs, where these are as many as its units, to what enters the activation ("before") or to
    what comes out ("after"), to which it is added times branch_scale.
    """

    def __init__(
        self, config: TrainConfig, seeds: Sequence[int], layer: int, fan_in: int, width: int, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.skip = config.skip if fan_in == width else "none"
        self.scale = config.branch_scale
        self.dropout = Dropout(config.dropout, seeds, layer)
        self.normalization = None
        if config.normalization != "none":
            self.normalization = NORMALIZATIONS[config.normalization](len(seeds), width, dtype)
        self.slope = None
        if self.activation.slope is not None:
            self.slope = nn.Parameter(torch.full((len(seeds), 1, 1), self.activation.slope, dtype=dtype))

    def forward(self, inputs: Tensor, affine: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """What enters the activation, and the layer's output [R, B, H], from inputs [R, B, D] and their affine map."""
        branch = affine if self.normalization is None else self.normalization(affine, training)
        if self.skip == "before":
            branch = torch.add(inputs, branch, alpha=self.scale)
        slope = () if self.slope is None else (self.slope,)
        output = self.dropout(self.activation.function(branch, *slope), training)
        if self.skip == "after":
            output = torch.add(inputs, output, alpha=self.scale)
        return branch, output
