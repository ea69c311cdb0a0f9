"""Master darks and flats: reading them, matching their pixels to the capture's, checking them.

A master of the camera's whole frames serves every crop of them: the capture's coordinates ``y`` and
``x`` are the pixel numbers in the master. A camera that is set to a region of interest numbers that
region's pixels from 0, and so do masters made with the same setting.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from skry_dask.capture.calibration.bad_pixels import unlit_fraction
from skry_dask.capture.calibration.develop import full_scale
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.registry import open_reader

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

MasterImage: TypeAlias = "str | os.PathLike[str] | AnyArray"
"""A file, or an array (y, x[, channel]) whose 1 is full scale."""

MAX_UNLIT = 0.01
"""Largest fraction of a flat's pixels that may be without light."""

MAX_WHITE = 0.01
"""Largest fraction of a flat's pixels that may be at full scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Master:
    """A master image, and which of its pixels are the capture's.

    Parameters
    ----------
    name
        Name of the file, for messages.
    image
        float32 (y, x[, channel]), 1 = full scale.
    cfa
        Colour filter array of the frames at the image's first pixel, or None.
    rows, columns
        int64: row and column of the image for each row and column of the capture.
    shape
        Shape of the capture's frames, (y, x[, channel]).
    problem
        What the user should know, or None.
    """

    name: str
    image: Float32Array
    cfa: str | None
    rows: IntArray
    columns: IntArray
    shape: tuple[int, ...]
    problem: str | None

    @classmethod
    def read(
        cls, source: MasterImage, role: str, capture: xr.Dataset, pattern: str | None
    ) -> Master:
        """Read a master and find the capture's pixels in it.

        Parameters
        ----------
        source
            A file, or an array.
        role
            ``"dark"`` or ``"flat"``, for messages.
        capture
            With ``frames`` (frame, y, x[, channel]), and coordinates ``y`` and ``x``, pixel numbers
            in the file.
        pattern
            Colour filter array at the capture's first pixel, or None.

        Raises
        ------
        OptionsError
            If it lacks pixels of the capture, has other colours, or has values that are not
            numbers.
        ReaderError
            If it cannot be read.
        """
        name, image, own, problem = _pixels_of(source, role)
        frame_shape = capture["frames"].shape[1:]
        rows, columns, whole = _match_pixels(name, image.shape, capture)
        cfa = str(capture.attrs["cfa"]) if whole and pattern else pattern
        _check_colours(name, image, own, cfa, frame_shape)
        n_invalid = int(image.size - np.isfinite(image).sum())
        if n_invalid:
            raise OptionsError(
                f"{name}: {n_invalid} of its values are not numbers: make the {role} again"
            )
        if whole and not (rows[0] or columns[0]) and image.shape[:2] != frame_shape[:2]:
            problem = (
                f"{name} is {_size(image.shape)}, larger than the frames ({_size(frame_shape)}): "
                "its upper left corner is used."
            )
        return cls(
            name=name,
            image=image,
            cfa=cfa,
            rows=rows,
            columns=columns,
            shape=frame_shape,
            problem=problem,
        )

    def of_capture(self, values: AnyArray) -> AnyArray:
        """Select the capture's pixels from an array of the master's shape.

        Parameters
        ----------
        values
            (y, x[, channel]), any dtype.

        Returns
        -------
        array of the shape of the capture's frames
            Same dtype, newly allocated. A grey master has the same values in each channel.
        """
        selected = values[np.ix_(self.rows, self.columns)]
        if selected.ndim < len(self.shape):
            selected = selected[..., None]
        return np.array(np.broadcast_to(selected, self.shape))

    @property
    def fingerprint(self) -> list[Any]:
        """JSON-compatible description of its pixels, wherever the file is."""
        content = hashlib.sha256(np.ascontiguousarray(self.image, "<f4").tobytes())
        return [list(self.image.shape), content.hexdigest()]


def _pixels_of(source: MasterImage, role: str) -> tuple[str, Float32Array, str | None, str | None]:
    """Return the name of a master, its pixels, the filter array it states, and a problem."""
    if not isinstance(source, (str, os.PathLike)):
        return f"the {role}", np.asarray(source, np.float32), None, None
    name, problem = os.fspath(source), None
    try:
        file = read_image(source)
    except ReaderError as error:
        if _is_video(source):
            raise OptionsError(
                f"{name} is a video: make a master {role} of it with skry {role}"
            ) from error
        raise
    if file.data.dtype.kind == "f" and file.full_scale > 1:
        problem = f"{name} is taken to be in grey levels of which 65535 is white."
    return name, (file.data / np.float64(file.full_scale)).astype(np.float32), file.cfa, problem


def _is_video(path: str | os.PathLike[str]) -> bool:
    try:
        open_reader(path)
    except ReaderError:
        return False
    return True


def _match_pixels(
    name: str, shape: tuple[int, ...], capture: xr.Dataset
) -> tuple[IntArray, IntArray, bool]:
    """Find the capture's rows and columns in a master, and whether it is of whole frames."""
    frame_shape = capture["frames"].shape[1:]
    rows, columns = (capture[dim].to_numpy().astype(np.int64) for dim in ("y", "x"))
    if len(shape) < 2 or not rows.size or not columns.size:
        raise OptionsError(f"{name} has the shape {shape}: give an image (y, x) or (y, x, 3)")
    if rows.max() < shape[0] and columns.max() < shape[1]:
        return rows, columns, True
    cropped = bool(rows.min() or columns.min())
    if cropped and shape[:2] == frame_shape[:2]:
        return np.arange(shape[0]), np.arange(shape[1]), False
    beginning = f", from row {rows.min()} and column {columns.min()}" if cropped else ""
    raise OptionsError(
        f"{name} is {_size(shape)}, frames are {_size(frame_shape)}{beginning}: give a master made "
        "with the same camera settings"
    )


def _check_colours(
    name: str, image: Float32Array, own: str | None, cfa: str | None, shape: tuple[int, ...]
) -> None:
    """Refuse a master whose colours are not those of the frames.

    Parameters
    ----------
    name, image
        The master.
    own
        Colour filter array that its file states, or None.
    cfa
        Colour filter array of the frames at its first pixel, or None.
    shape
        Shape of a frame, (y, x[, channel]).
    """
    if image.ndim > 2 and len(shape) == 2:
        kind = "raw colour" if cfa else "grey"
        raise OptionsError(
            f"{name} is a colour image, frames are {kind}: give a master made of such frames"
        )
    if own and len(shape) > 2:
        raise OptionsError(
            f"{name} is raw colour ({own}), frames have red, green and blue: give a master made of "
            "such frames"
        )
    if own and cfa and own != cfa:
        raise OptionsError(
            f"{name} has the colour filter array {own}, frames have {cfa} there: give a master "
            "made with the same camera settings"
        )


def dark_levels(dark: Master, mean: FloatArray, capture: xr.Dataset) -> Float32Array:
    """Return a dark at the capture's pixels, grey levels.

    Parameters
    ----------
    dark
        The dark.
    mean
        float64 (y, x[, channel]), mean of a few frames of the capture, grey levels.
    capture
        The capture.

    Returns
    -------
    float32 (y, x[, channel])

    Raises
    ------
    OptionsError
        If it cannot be the dark of these frames; see `check_dark`.
    """
    white = full_scale(capture)
    levels: Float32Array = dark.of_capture(dark.image) * np.float32(white)
    dark_mean = float(levels.mean(dtype=np.float64))
    source = str(capture.attrs.get("source", "the capture"))
    check_dark(dark.name, dark_mean, float(mean.mean()), white, source)
    return levels


def check_dark(name: str, dark: float, frames: float, white: int, source: str) -> None:
    """Refuse an image that cannot be a dark.

    Parameters
    ----------
    name
        Name of the image, for messages.
    dark, frames
        Mean of the image, and of the frames that it is for, grey levels.
    white
        Grey level of full scale.
    source
        Name of the capture, for messages.

    Raises
    ------
    OptionsError
        If the dark is brighter than half of full scale, or than the frames.
    """
    if dark > white / 2:
        raise OptionsError(
            f"{name}: the mean of the dark is {dark:.1f} grey levels of {white}: give an image "
            "taken without light"
        )
    if dark >= frames:
        raise OptionsError(
            f"{name}: the dark (mean {dark:.1f} grey levels) is not darker than the frames of "
            f"{source} (mean {frames:.1f}): give a dark of the same exposure and gain"
        )


def check_flat(name: str, flat: Float32Array, cfa: str | None) -> None:
    """Refuse an image that cannot be a flat.

    Parameters
    ----------
    name
        Name of the image, for messages.
    flat
        float32 (y, x[, channel]), 1 = full scale.
    cfa
        Colour filter array at its first pixel, or None.

    Raises
    ------
    OptionsError
        If it is overexposed or not evenly lit.
    """
    # Flats of other programs are scaled to a mean of 1: which value was white is not known then.
    if flat.max() <= 1:
        check_exposure(name, float((flat >= 1).mean()))
    unlit = unlit_fraction(flat, cfa)
    if unlit > MAX_UNLIT:
        raise OptionsError(
            f"{name} is not a flat: {unlit:.0%} of the pixels of a colour got no light: give an "
            "image of an evenly lit field"
        )


def check_exposure(name: str, white: float) -> None:
    """Refuse a flat that is overexposed.

    Parameters
    ----------
    name
        Name of the flat, for messages.
    white
        Fraction of its pixels that are at full scale, 0 to 1.

    Raises
    ------
    OptionsError
        If that is more than 1 %.
    """
    if white > MAX_WHITE:
        raise OptionsError(
            f"{name}: {white:.0%} of the pixels are white, so the flat is overexposed: "
            "record it at about half of full scale"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} px"
