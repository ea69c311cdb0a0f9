"""The air above the telescope: phases in the pupil, seen in many directions, at any time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.simulation.optics.screens import LAYERS, OUTER_SCALE, Layer, mixture

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.types import ComplexArray, Float32Array

MAX_SCREEN_PX = 2048
"""Largest side of a screen, px."""


class Air:
    """Layers of air, and where the light of each patch crosses them.

    Parameters
    ----------
    rngs
        Random numbers of each layer: where it begins, and where the wind blows.
    grid
        Number of patches along y and x.
    angle
        From one patch to the next, rad.
    n_pupil
        Side of the pupil's square, px.
    spacing
        Size of a pixel of pupil and screens, m.
    layers
        From the ground upwards.
    """

    def __init__(
        self,
        rngs: list[Generator],
        grid: tuple[int, int],
        angle: float,
        n_pupil: int,
        spacing: float,
        layers: tuple[Layer, ...] = LAYERS,
    ) -> None:
        self.layers, self.spacing, self._n_pupil, self._grid = layers, spacing, n_pupil, grid
        self._origins, self._winds, self._places = [], [], []
        for layer, rng in zip(layers, rngs, strict=True):
            self._origins.append(rng.integers(0, MAX_SCREEN_PX, 2))
            direction = rng.uniform(0, 2 * math.pi)
            self._winds.append(layer.wind * np.array([math.sin(direction), math.cos(direction)]))
            # To the nearest pixel, which is far finer than r0.
            step = layer.height * angle / spacing
            self._places.append([np.rint(np.arange(n) * step).astype(np.int64) for n in grid])

    def row(self, row: int, time: float, screens: list[ComplexArray]) -> Float32Array:
        """Find the phases in the pupil for one row of patches.

        Parameters
        ----------
        row
            Number of the row.
        time
            Since the start of the capture, s.
        screens
            One for each layer.

        Returns
        -------
        float32 (grid_x, y, x), rad
        """
        n = self._n_pupil
        total = np.zeros((self._grid[1], n, n), np.float32)
        for k, (layer, screen) in enumerate(zip(self.layers, screens, strict=True)):
            y, x = self._origins[k] - np.rint(self._winds[k] * time / self.spacing).astype(np.int64)
            places_y, places_x = self._places[k]
            rows = y + places_y[row] + np.arange(n)
            columns = x + np.arange(places_x[-1] + n)
            turn = math.pi / 2 * time / layer.turnover
            strip = mixture(screen, rows, columns, turn)
            views = np.lib.stride_tricks.sliding_window_view(strip, (n, n))[0]
            total += views[places_x]
        return total


def screen_side(spacing: float, outer_scale: float = OUTER_SCALE) -> int:
    """Find the side of a screen whose period is longer than the outer scale, px: a power of 2."""
    return min(MAX_SCREEN_PX, 2 ** math.ceil(math.log2(outer_scale / spacing)))
