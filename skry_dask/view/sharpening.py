"""Sharpening tried out on a crop of a stack, then applied to all of it."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from skry_dask.capture.source import resolve
from skry_dask.finishing.sharpening.sharpen import measure_image, sharpen, sharpen_window
from skry_dask.finishing.tone.tone import adjust_tone
from skry_dask.io.images.write import image_kind_for
from skry_dask.pipeline.outputs import Outputs, software
from skry_dask.pipeline.sharpened import blur_of, halves_of, write_sharpened

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from skry_dask.capture.inputs import Input
    from skry_dask.finishing.sharpening.sharpen import Measured
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.options.tone import ToneOptions
    from skry_dask.types import AnyArray, Float32Array


class SharpenTrial:
    """A stack that is sharpened this way and that.

    Parameters
    ----------
    stacked
        From `stack`, computed.
    metadata
        What its image says of how it was made.
    """

    def __init__(self, stacked: xr.Dataset, metadata: dict[str, Any]) -> None:
        self.stacked, self.metadata = stacked, metadata
        self.image: Float32Array = stacked["stack"].to_numpy()
        self._measured = cache(self._measure)

    @cached_property
    def halves(self) -> tuple[AnyArray, AnyArray] | None:
        """Half stacks of even and odd frames, if they tell the noise."""
        return halves_of(self.stacked)

    def _measure(self, sampling: float | None) -> Measured:
        return measure_image(self.image, self.halves, sampling=sampling, **self._air)

    @property
    def _air(self) -> dict[str, Any]:
        return blur_of(self.metadata)

    def crop(
        self, options: SharpenOptions, tone: ToneOptions, rows: slice, columns: slice
    ) -> Float32Array:
        """Sharpen a crop, as it is in the whole image.

        Parameters
        ----------
        options
            How it is sharpened.
        tone
            What is done to its tone: nothing that depends on other pixels.
        rows, columns
            The crop.

        Returns
        -------
        float32 (y, x[, channel]), 1 = full scale.

        Raises
        ------
        OptionsError
            If the options do not fit the image.
        """
        done = sharpen_window(self.image, options, self._measured(options.sampling), rows, columns)
        return adjust_tone(done, tone)

    def whole(self, options: SharpenOptions, tone: ToneOptions) -> Float32Array:
        """Sharpen the whole image: see `crop`."""
        done = sharpen(self.image, options, halves=self._halves_for(options), **self._air)
        return adjust_tone(done, tone)

    def _halves_for(self, options: SharpenOptions) -> tuple[AnyArray, AnyArray] | None:
        return self.halves if options.uses_halves else None

    def save(
        self, path: Path, options: SharpenOptions, tone: ToneOptions, *, stack: Path, capture: Input
    ) -> None:
        """Write the whole image, sharpened, unless it is there already.

        Parameters
        ----------
        path
            The file; its suffix says which kind.
        options, tone
            See `crop`.
        stack
            The stack's image, which is not overwritten.
        capture
            Neither are the files of the capture.

        Raises
        ------
        SkryError
            If it cannot be written.
        """
        target = Outputs(image=path)
        target.check()
        target.check_inputs(resolve(capture), stack, options.psf_file)
        about = {**self.metadata, "software": software()}
        kind = image_kind_for(path)
        write_sharpened(
            path, self.stacked, options, tone, kind=kind, source=stack.name, metadata=about
        )
