"""Noise, resolution and seeing of a stack in a few figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.phases.stacking.half_stacks import is_odd

if TYPE_CHECKING:
    import xarray as xr

LEAST_FRAMES = 4
"""Halves of fewer frames say nothing: one or two frames have detail of the seeing in common."""


@dataclass(frozen=True, slots=True)
class StackFigures:
    """Noise, resolution and seeing of a stack, JSON-compatible.

    Parameters
    ----------
    noise
        Median over the image of the standard deviation of its noise, 1 = full scale; None = not
        known.
    resolution
        Frequencies at which the ring correlation falls below 1/2 (``half``) and 1/7 (``seventh``),
        cycles/px of the image; of a colour image the means of its colours; None = not known.
    seeing
        D/r0 of the capture, from single frames, for 2.5 px to an angle of wavelength / diameter;
        None = not known.
    pixel_scale
        Angle of a pixel of the image, arcsec; None = not known.
    notes
        Why noise and resolution are not known.
    """

    noise: float | None = None
    resolution: dict[str, float | None] | None = None
    seeing: float | None = None
    pixel_scale: float | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of_stack(cls, stack: xr.Dataset, pixel_scale: float | None = None) -> StackFigures:
        """Measure a stack; without half stacks there are no figures, and there is no note.

        Parameters
        ----------
        stack
            Computed.
        pixel_scale
            Angle of a pixel of the camera, arcsec, where it is known.
        """
        if pixel_scale is not None:
            pixel_scale = float(f"{pixel_scale / stack.attrs['options']['drizzle']:.6g}")
        if "half_stack" not in stack:
            return cls(pixel_scale=pixel_scale)
        gave = stack["fragments"].to_numpy() > 0
        odd = is_odd(stack["frame"].to_numpy())
        n_even, n_odd = int(gave[~odd].sum()), int(gave[odd].sum())
        unknown = "noise and resolution are not known: "
        if n_even + n_odd < LEAST_FRAMES:
            counted = f"only {n_even + n_odd} of the {LEAST_FRAMES} frames that it takes"
            return cls(pixel_scale=pixel_scale, notes=[f"{unknown}{counted} are stacked"])
        if not (n_even and n_odd):
            which = "odd" if n_even else "even"
            note = f"{unknown}none of the frames stacked is {which}"
            return cls(pixel_scale=pixel_scale, notes=[note])
        # 25 ms of scipy, which jobs without half stacks need not wait for.
        from skry_dask.finishing.resolution.measurement import measure_resolution

        noise = _median(stack["noise"])
        half, seventh = (_mean(row) for row in measure_resolution(stack)["resolution"])
        notes = [] if half or seventh else [f"{unknown}the halves have nothing in common"]
        seeing = float(stack["seeing"])
        known = None if np.isnan(seeing) else round(seeing, 2)
        return cls(noise, {"half": half, "seventh": seventh}, known, pixel_scale, notes)

    @property
    def resolution_arcsec(self) -> dict[str, float | None] | None:
        """Size of the finest detail, arcsec: of a cycle of the frequencies in `resolution`."""
        if self.resolution is None or self.pixel_scale is None:
            return None
        return {
            name: None if frequency is None else round(self.pixel_scale / frequency, 4)
            for name, frequency in self.resolution.items()
        }

    @property
    def metadata(self) -> dict[str, Any]:
        """What an image says of them: nothing where they were not measured."""
        measured: dict[str, Any] = {
            "noise": self.noise,
            "resolution": self.resolution,
            "resolution_arcsec": self.resolution_arcsec,
            "seeing": self.seeing,
        }
        if self.resolution is None:
            measured = {}
        found = measured | {"pixel_scale": self.pixel_scale}
        return {name: value for name, value in found.items() if value is not None}


def _median(values: xr.DataArray) -> float | None:
    median = float(np.nanmedian(values)) if values.notnull().any() else None
    return None if median is None else float(f"{median:.3g}")


def _mean(values: xr.DataArray) -> float | None:
    """Average the colours that have a resolution."""
    return None if values.isnull().all() else round(float(values.mean()), 4)
