"""Torch's threads: one for a small model, all for a large one."""

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from core.model import LoadedModel

#: Parameters below which a matrix product ends sooner than the threads are gathered for it.
SMALL = 20_000_000
#: What torch found at its start: the machine's cores, or OMP_NUM_THREADS.
ALL = torch.get_num_threads()


def threads_for(lm: "LoadedModel") -> int:
    """How many threads a model computes with; a model on a GPU leaves the CPU's threads as they were."""
    small = sum(parameter.numel() for parameter in lm.model.parameters()) < SMALL
    return 1 if small and lm.device.type == "cpu" else ALL


def use_threads(count: int) -> None:
    """Sets the calling thread's number, and that of threads which have not computed yet.

    Every thread has a number of its own once it has computed, so each thread that works for a model asks for it.
    """
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
