"""Master darks and flats: images of what the camera does, and which of their pixels belong where.

A master of the camera's whole frames serves every crop of them: it is indexed by the pixel numbers
that the capture's ``y`` and ``x`` are. A camera that was set to a region of interest numbers the
region's own pixels from 0, and so do masters made with the same setting.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from skry_dask.capture.bad_pixels import unlit_part
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.io.images.read import read_image
from skry_dask.io.registry import open_reader

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import AnyArray, Float32Array, IntArray

Image: TypeAlias = "str | os.PathLike[str] | AnyArray"
"""A file, or an array (y, x[, channel]) whose 1 is full scale."""

MOST_UNLIT, MOST_WHITE = 0.01, 0.01
"""No flat has a larger part of its pixels without light, or at full scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Master:
    """A master image, and which of its pixels are the capture's.

    Parameters
    ----------
    name
        For messages.
    image
        float32 (y, x[, channel]), 1 = full scale.
    cfa
        Colour filter array of the frames at the image's first pixel, or None.
    rows, columns
        int64, of the image, in the order of the capture's pixels.
    shape
        Of the capture's frames, (y, x[, channel]).
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
    def read(cls, source: Image, role: str, capture: xr.Dataset, pattern: str | None) -> Master:
        """Read a master and find the capture's pixels in it.

        Parameters
        ----------
        source
            A file, or an array.
        role
            ``"dark"`` or ``"flat"``, for messages.
        capture
            With ``frames`` (frame, y, x[, channel]), and coordinates ``y`` and ``x`` that tell
            which pixels of the file these are.
        pattern
            Colour filter array at the capture's first pixel, or None.

        Raises
        ------
        OptionsError
            If it does not hold the capture's pixels, or has other colours, or is damaged.
        ReaderError
            If it cannot be read.
        """
        if isinstance(source, (str, os.PathLike)):
            name = os.fspath(source)
            try:
                file = read_image(source)
            except ReaderError as error:
                if _is_video(source):
                    raise OptionsError(
                        f"{name} is a video: make a master {role} of it with skry {role}"
                    ) from error
                raise
            image = (file.data / np.float64(file.full_scale)).astype(np.float32)
            own = file.cfa
            levels = file.data.dtype.kind == "f" and file.full_scale > 1
        else:
            name, image, own = f"the {role}", np.asarray(source, np.float32), None
            levels = False
        frame_shape = capture["frames"].shape[1:]
        rows, columns, whole = _place(name, image.shape, capture)
        cfa = str(capture.attrs["cfa"]) if whole and pattern else pattern
        _check_colours(name, image, own, cfa, frame_shape)
        problem = None
        if levels:
            problem = f"{name} is taken to be in grey levels of which 65535 is white."
        n_odd = int(image.size - np.isfinite(image).sum())
        if n_odd:
            raise OptionsError(
                f"{name}: {n_odd} of its values are not numbers: make the {role} again"
            )
        if whole and not (rows[0] or columns[0]) and image.shape[:2] != frame_shape[:2]:
            problem = (
                f"{name} is {_size(image.shape)}, larger than the frames ({_size(frame_shape)}): "
                "its upper left part is used."
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
        """Take the capture's pixels out of values at the master's.

        Parameters
        ----------
        values
            (y, x[, channel]), of the image's shape.

        Returns
        -------
        Of the frames' shape and the values' dtype, newly allocated: what is known of all channels
        together is that of each.
        """
        part = values[np.ix_(self.rows, self.columns)]
        if part.ndim < len(self.shape):
            part = part[..., None]
        return np.array(np.broadcast_to(part, self.shape))

    @property
    def fingerprint(self) -> list[Any]:
        """What tells it from other masters: its pixels, not where it is."""
        content = hashlib.sha256(np.ascontiguousarray(self.image, "<f4").tobytes())
        return [list(self.image.shape), content.hexdigest()]


def _is_video(path: str | os.PathLike[str]) -> bool:
    try:
        open_reader(path)
    except ReaderError:
        return False
    return True


def _place(
    name: str, shape: tuple[int, ...], capture: xr.Dataset
) -> tuple[IntArray, IntArray, bool]:
    """Find the capture's rows and columns in a master, and whether it is of the file's frames."""
    frame_shape = capture["frames"].shape[1:]
    rows, columns = (capture[dim].to_numpy().astype(np.int64) for dim in ("y", "x"))
    if len(shape) < 2 or not rows.size or not columns.size:
        raise OptionsError(f"{name} has the shape {shape}: give an image (y, x) or (y, x, 3)")
    if rows.max() < shape[0] and columns.max() < shape[1]:
        return rows, columns, True
    is_part = bool(rows.min() or columns.min())
    if is_part and shape[:2] == frame_shape[:2]:
        return np.arange(shape[0]), np.arange(shape[1]), False
    beginning = f", from row {rows.min()} and column {columns.min()}" if is_part else ""
    raise OptionsError(
        f"{name} is {_size(shape)}, frames are {_size(frame_shape)}{beginning}: give a master made "
        "with the same camera settings"
    )


def _check_colours(
    name: str, image: Float32Array, own: str | None, cfa: str | None, shape: tuple[int, ...]
) -> None:
    """Refuse a master whose colours are not those of the frames."""
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


def check_dark(name: str, dark: float, light: float, white: int, source: str) -> None:
    """Refuse a dark that cannot be one.

    Parameters
    ----------
    name
        Of the dark, for messages.
    dark, light
        Mean of the dark, and of the frames it is for, grey levels.
    white
        Grey level of full scale.
    source
        Of the frames, for messages.

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
    if dark >= light:
        raise OptionsError(
            f"{name}: the dark (mean {dark:.1f} grey levels) is not darker than the frames of "
            f"{source} (mean {light:.1f}): give a dark of the same exposure and gain"
        )


def check_flat(name: str, flat: Float32Array, cfa: str | None) -> None:
    """Refuse a flat that cannot be one.

    Parameters
    ----------
    name
        For messages.
    flat
        float32 (y, x[, channel]), 1 = full scale.
    cfa
        Colour filter array at its first pixel, or None.

    Raises
    ------
    OptionsError
        If it is overexposed or not evenly lit.
    """
    # Flats of other programs are scaled to a mean of 1: there is no telling what was white.
    if flat.max() <= 1:
        check_exposure(name, float((flat >= 1).mean()))
    part = unlit_part(flat, cfa)
    if part > MOST_UNLIT:
        raise OptionsError(
            f"{name} is not a flat: {part:.0%} of the pixels of a colour got no light: give an "
            "image of an evenly lit field"
        )


def check_exposure(name: str, part: float) -> None:
    """Refuse a flat of which too large a part is white.

    Parameters
    ----------
    name
        For messages.
    part
        Of its pixels that are at full scale, 0 to 1.

    Raises
    ------
    OptionsError
        If it is more than a hundredth.
    """
    if part > MOST_WHITE:
        raise OptionsError(
            f"{name}: {part:.0%} of the pixels are white, so the flat is overexposed: "
            "record it at about half of full scale"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} px"
