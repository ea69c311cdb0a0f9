"""Random numbers of a simulated capture: independent streams from one seed."""

from __future__ import annotations

import math
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.options.simulation import SimulateOptions
    from skry_dask.types import AnyArray


class Stream(IntEnum):
    """Independent sequences of random numbers from one seed."""

    SCENE = 0
    JITTER = 1
    SEEING = 2
    SHIFT_Y = 3
    SHIFT_X = 4
    BLUR = 5
    NOISE = 6
    WIND = 7
    SCREEN = 8


def random_numbers(options: SimulateOptions, stream: Stream, *number: int) -> Generator:
    """Start a stream of random numbers, or its section for one frame or layer, given its number."""
    key = (int(stream), *number)
    return np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=key))


def correlate(noise: AnyArray, memory: float) -> None:
    """Turn white noise of variance 1 into an autoregressive sequence along frames, in place."""
    fresh = math.sqrt(1 - memory**2)
    for before, after in pairwise(noise):
        after *= fresh
        after += memory * before
