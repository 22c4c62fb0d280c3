"""What of a command's surroundings must not reach the libraries: variables that are set for other programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

# Job schedulers and launchers, from which Lightning takes how many processes there are and which is the first; MLflow's
# own settings; git's, of a hook or another repository.
PREFIXES = ("SLURM_", "LSB_", "JSM_", "TORCHELASTIC_", "OMPI_", "PMI_", "PL_", "MLFLOW_", "GIT_")
NAMES = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "MATPLOTLIBRC",
)  # fmt: skip


def shield() -> None:
    """Take away what would change numbers, figures or provenance, or end a command, and set what must be so.

    For the commands alone, as the first that they do: libraries read these when they are imported, and processes that
    are started later have what is left.
    """
    for name in list(foreign(os.environ)):
        del os.environ[name]
    os.environ["MPLBACKEND"] = "Agg"


def foreign(variables: Mapping[str, str]) -> Iterator[str]:
    """The names of variables that are meant for other programs."""
    return (name for name in variables if name.startswith(PREFIXES) or name in NAMES)
