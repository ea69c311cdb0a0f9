"""Compare the confidence of alignments with how often they are right, on simulated captures.

    python -m tests.benchmarks.confidence --seeds 1 2 3

A frame is right where its offset lies within 1 px of the truth: of the motion of the whole frame
plus the mean shift that seeing gives to what is followed. Whatever is common to all frames is left
out, because the air over the reference frame is not known.
"""

from __future__ import annotations

import argparse
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import skry_dask as skry

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

    from skry_dask.types import BoolArray, FloatArray

EDGES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
"""Edges of the bins of confidence."""

RIGHT_PX = 1.0
"""A frame is right where its offset is at most this far off, px."""

PLANET_RADIUS = 0.25
"""Radius within which the mean shift of a planet is taken, as a fraction of the frame's height."""

SCENES = ("sun", "moon", "planet")

DRIFT = (6.0, -9.0)
"""Drift of the captures, px."""

WARPS = (1.0, 2.4)
"""Seeing of the captures, px rms."""

PHOTONS = (10.0, 20.0, 200.0)
"""Light of the captures, electrons per pixel where the scene is 1."""

AIR = (5.0, 8.0)
"""Air of the captures through a telescope, D / r0; in a lot of light."""

FRAMES_PER_CHUNK = 8

SIZE = {"frames": 16, "height": 160, "width": 208}
"""Size of the captures; small ones are the harder ones."""


class Judged(NamedTuple):
    """Confidence of the active frames of captures, and how far off they are.

    Parameters
    ----------
    confidence
        float64 (frame), 0 to 1.
    error
        float64 (frame), px.
    """

    confidence: FloatArray
    error: FloatArray

    @property
    def right(self) -> BoolArray:
        """Whether each frame is within 1 px of the truth: bool (frame)."""
        return self.error <= RIGHT_PX

    @classmethod
    def joined(cls, parts: Iterable[Judged]) -> Judged:
        """Join the frames of several captures."""
        return cls(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def judge(capture: xr.Dataset, options: skry.AlignOptions | None = None) -> Judged:
    """Align a simulated capture, and compare its active frames with the truth."""
    capture = capture.compute().chunk({"frame": FRAMES_PER_CHUNK})  # or every pass simulates it
    alignment = skry.align(capture, options).compute()
    active = alignment["active"].to_numpy()
    error = alignment["offset"].to_numpy() - true_offset(capture)
    error = (error - np.median(error[active], axis=0))[active] if active.any() else error[active]
    confidence = alignment["confidence"].to_numpy()[active].astype(np.float64)
    return Judged(confidence, np.hypot(error[:, 0], error[:, 1]))


def true_offset(capture: xr.Dataset) -> FloatArray:
    """Add to the offset of each frame what seeing adds in the mean: float64 (frame, axis), px."""
    height, width = capture["frames"].shape[1:]
    shift = capture["shift"]
    y, x = shift["grid_y"], shift["grid_x"]
    seen = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    if capture.attrs["scene"] == "planet":
        seen = np.hypot(y - height / 2, x - width / 2) < PLANET_RADIUS * height
    mean = shift.where(seen).mean(("grid_y", "grid_x"))
    found: FloatArray = (capture["offset"] + mean).transpose("frame", "axis").to_numpy()
    return found


def main() -> None:
    """Print the share of right frames for each capture, and for each bin of confidence."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--method", default="auto")
    chosen = parser.parse_args()
    align = skry.AlignOptions(method=chosen.method)
    parts = []
    print("scene   seeing  photons  seed  active  confidence  right  rms error")
    gaussian = [
        (scene, warp, photons, seed, {"warp": warp})
        for scene, warp, photons, seed in product(SCENES, WARPS, PHOTONS, chosen.seeds)
    ]
    optics = [
        (scene, d_over_r0, PHOTONS[-1], seed, {"seeing": "optics", "d_over_r0": d_over_r0})
        for scene, d_over_r0, seed in product(SCENES, AIR, chosen.seeds)
    ]
    for scene, seeing, photons, seed, air in gaussian + optics:
        options = skry.SimulateOptions(**SIZE, **air, photons=photons, seed=seed, drift=DRIFT)
        found = judge(skry.simulate(scene, options), align)
        parts.append(found)
        if len(found.error):
            rms = np.sqrt(np.mean(found.error**2))
            print(
                f"{scene:7} {seeing:6} {photons:8} {seed:5} {len(found.error):7} "
                f"{found.confidence.mean():11.2f} {found.right.mean():6.2f} {rms:10.2f}",
                flush=True,
            )
    found = Judged.joined(parts)
    print("confidence    frames  mean confidence  right")
    bins = np.digitize(found.confidence, EDGES[1:-1])
    for i, (low, high) in enumerate(pairwise(EDGES)):
        if (bins == i).any():
            print(
                f"{low:.2f} to {high:.2f} {(bins == i).sum():7} "
                f"{found.confidence[bins == i].mean():16.3f} {found.right[bins == i].mean():6.3f}"
            )


if __name__ == "__main__":
    main()
