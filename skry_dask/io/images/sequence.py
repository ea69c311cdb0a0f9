"""Image sequences: folders, lists and patterns of images, pages of a TIFF, cubes of a FITS file.

All headers are read when a sequence is opened, which takes 0.1 to 1 ms a file: an image of another
size or depth is found before anything is decoded. Images are decoded one at a time, in order. One
that is damaged costs its own frame and not the job.

Frames have 8 or 16 bits. Floating point becomes 16 bits on one scale for the whole sequence, which
its first image decides (``attrs["scale"]``).
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.files import cannot_read, reading
from skry_dask.io.images.image_format import rows_per_block
from skry_dask.io.images.read import (
    HEAD_BYTES,
    decode_images,
    format_of,
    has_image_suffix,
    inspect_image,
    white_of,
)
from skry_dask.io.reader import CaptureInfo, DecodedFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from skry_dask.io.images.image_format import Still
    from skry_dask.types import AnyArray, Frames

_WEIGHTS = (19595, 38470, 7471)  # 0.299, 0.587, 0.114 times 2**16, as in `skry_dask.io.video.grey`
_SCALES = {1.0: "1.0 is 65535", 65535.0: "grey levels"}


class SequenceReader:
    """Images as the frames of a capture.

    Parameters
    ----------
    source
        A folder, whose images are taken in natural order (frame2 before frame10) and whose other
        files are ignored; an image file; a pattern as ``shots/frame_*.png``, likewise in natural
        order; or paths of image files, in the order given.
    grey
        Whether colour becomes grey, by the weights of ITU-R BT.601.

    Notes
    -----
    ``path`` is the folder or the file; for a pattern and for paths the first file. Times come from
    DATE-OBS of FITS files if all have it, in ns since 1970-01-01 UTC, in the frames that are
    decoded too.

    Raises
    ------
    ReaderError
        No image, images of several formats, or an image of another size, number of channels, depth
        or colour filter array than the first.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo

    def __init__(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        grey: bool = False,
    ) -> None:
        self.path, self.files = _find(source)
        self.grey = grey
        stills = [_inspected(path) for path in self.files]
        first = next((still for still in stills if not isinstance(still, str)), None)
        if first is None:
            raise ReaderError(str(stills[0]))
        self._check_alike(first, stills)
        # Files whose header cannot be read count as one image, so that its loss is reported.
        self._counts = tuple(1 if isinstance(still, str) else still.n_images for still in stills)
        self._stored = (first.shape, first.dtype)
        self._white = float(2**first.bits - 1)
        self._times = [None if isinstance(still, str) else still.time for still in stills]
        has_times = None not in self._times
        attrs = dict(first.attrs)
        if first.dtype not in ("uint8", "uint16"):
            self._white = self._first_white()
            attrs["scale"] = _SCALES[self._white]
        colour = first.channels == 3 and not grey
        several = "sequence" if sum(self._counts) > 1 else "image"
        self.info = CaptureInfo(
            format=f"{first.format} {several}",
            n_frames=sum(self._counts),
            height=first.height,
            width=first.width,
            dtype="uint8" if first.dtype == "uint8" else "uint16",
            bits=first.bits,
            channels=3 if colour else 1,
            cfa=first.cfa,
            time=np.array(self._times, np.int64) if has_times else None,
            attrs=attrs,
            problems=tuple(
                problem
                for still in stills
                for problem in ([f"{still}."] if isinstance(still, str) else still.problems)
            ),
        )

    def decode(self) -> Iterator[DecodedFrame]:
        """Decode from the first image to the last.

        Yields
        ------
        DecodedFrame; its image is uint8 or uint16 (y, x) or (y, x, channel), newly allocated, or
        None for one that is damaged. A floating-point image with values outside the scale is there
        and has a problem too, which says that they were clipped.
        """
        number = 0
        for path, count, time in zip(self.files, self._counts, self._times, strict=True):
            time = time if self.info.time is not None else None
            for stored in _images(path, count):
                image, problem = self._frame(path, stored)
                yield DecodedFrame(number, image, time, problem)
                number += 1

    def _check_alike(self, first: Still, stills: list[Still | str]) -> None:
        def facts(still: Still) -> tuple[object, ...]:
            return still.shape, still.dtype, still.bits, still.cfa

        name = next(p for p, s in zip(self.files, stills, strict=True) if s is first)
        for path, still in zip(self.files, stills, strict=True):
            if not isinstance(still, str) and facts(still) != facts(first):
                raise ReaderError(
                    f"{path} is not like the images before it: it has {_said(still)}, {name.name} "
                    f"{_said(first)}; leave it out, or put it into a sequence of its own"
                )

    def _first_white(self) -> float:
        """Decode up to the first sound image; its values decide what white is."""
        problem = ""
        for path, count in zip(self.files, self._counts, strict=True):
            for stored in _images(path, count):
                if not isinstance(stored, str):
                    return white_of(stored, 16)
                problem = problem or stored
        raise ReaderError(problem)

    def _frame(self, path: Path, stored: AnyArray | str) -> tuple[Frames | None, str | None]:
        if isinstance(stored, str):
            return None, stored
        if (stored.shape, stored.dtype.name) != self._stored:
            return None, f"{path} has changed since it was opened: it is {stored.shape} now"
        frame, n_clipped = _to_levels(stored, self._white)
        problem = None
        if n_clipped:
            limits = "0...1" if self._white == 1 else "0...65535"
            problem = f"{n_clipped} values of {path} are not in {limits} and were clipped"
        return _to_grey(frame) if self.grey and frame.ndim == 3 else frame, problem


def is_pattern(source: str | os.PathLike[str]) -> bool:
    """Tell whether a name is a pattern of files: it has wildcards, and no such file exists.

    Parameters
    ----------
    source
        A path or pattern.
    """
    return glob.has_magic(os.fspath(source)) and not os.path.lexists(source)


def _find(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> tuple[Path, tuple[Path, ...]]:
    """Find the files of a sequence; returns its name, and the files in order."""
    if not isinstance(source, str | os.PathLike):
        files = [Path(path) for path in source]
        if not files:
            raise ReaderError("the list of images is empty; give at least one image file")
        _check_formats(files, f"the list that begins with {files[0]}", "give images of one format")
        return files[0], tuple(files)
    if is_pattern(source):
        found = [Path(name) for name in glob.glob(os.fspath(source))]  # noqa: PTH207 absolute too
        files = _images_of(found)
        if not files:
            raise ReaderError(
                f"no image is called {os.fspath(source)} ({len(found)} other files are); check the "
                f"pattern"
            )
        _check_formats(files, os.fspath(source), "narrow the pattern")
        return files[0], tuple(files)
    path = Path(source)
    if not os.path.isdir(path):  # noqa: PTH112 a name too long is no folder, and no exception
        return path, (path,)
    try:
        found = list(path.iterdir())
    except OSError as error:
        raise cannot_read(path, error) from error
    files = _images_of(found)
    if not files:
        raise ReaderError(
            f"{path} is a folder without images ({len(found)} other files); give a folder of BMP, "
            f"PNG, TIFF, JPEG or FITS images, or a video"
        )
    _check_formats(files, f"{path}", f"keep one format in it, or give a pattern as {path}/*.png")
    return path, tuple(files)


def _images_of(found: Iterable[Path]) -> list[Path]:
    """Keep what is an image, or is named like one, and is not hidden; in natural order."""
    files = [
        path
        for path in found
        if not path.name.startswith(".")
        and path.is_file()
        and (has_image_suffix(path) or _format(path))
    ]
    return sorted(files, key=_natural)


def _natural(path: Path) -> tuple[object, ...]:
    """Sort key that takes the numbers in names for numbers."""
    parts = re.split(r"([0-9]+)", str(path).casefold())
    numbers = tuple(int(part) if i % 2 else part for i, part in enumerate(parts))
    return (numbers, str(path))


def _format(path: Path) -> str | None:
    try:
        with reading(path) as file:
            return format_of(file.read(HEAD_BYTES))
    except ReaderError:
        return None  # said again, and clearly, when its turn comes


def _check_formats(files: list[Path], name: str, remedy: str) -> None:
    counts: dict[str, int] = {}
    for path in files:
        if found := _format(path):
            counts[found] = counts.get(found, 0) + 1
    if len(counts) > 1:
        said = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
        raise ReaderError(f"{name} has images of several formats ({said}); {remedy}")


def _inspected(path: Path) -> Still | str:
    """Read a header, or say why it cannot be read."""
    try:
        return inspect_image(path)
    except ReaderError as error:
        return str(error)


def _images(path: Path, count: int) -> Iterator[AnyArray | str]:
    """Decode the images of a file; in place of one that cannot be decoded comes the reason."""
    n_found = 0
    reason = f"{path} has fewer images than when it was opened"
    try:
        for found in decode_images(path):
            yield str(found) if isinstance(found, ReaderError) else found
            n_found += 1
            if n_found == count:
                return
    except ReaderError as error:
        reason = str(error)
    for _ in range(n_found, count):
        yield reason


def _said(still: Still) -> str:
    colour = "colour" if still.channels == 3 else "grey"
    if still.cfa:
        colour = f"raw colour {still.cfa}"
    return f"{still.width} x {still.height} px in {colour} ({still.dtype}, {still.bits} bits)"


def _to_levels(stored: AnyArray, white: float) -> tuple[Frames, int]:
    """Convert an image to grey levels of 8 or 16 bits; returns it and how many values it lost."""
    if stored.dtype in (np.uint8, np.uint16):
        return stored, 0
    frame = np.empty(stored.shape, np.uint16)
    n_clipped = 0
    for rows in rows_per_block(len(stored), 8 * stored[0].size):
        values = stored[rows].astype(np.float64) * (65535.0 / white)
        inside = (values >= 0) & (values <= 65535)  # not-a-number is neither
        n_clipped += inside.size - int(np.count_nonzero(inside))
        clipped = np.nan_to_num(values, nan=0.0).clip(0, 65535)
        frame[rows] = np.rint(clipped)
    return frame, n_clipped


def _to_grey(frame: Frames) -> Frames:
    """Convert red, green and blue (y, x, 3) to grey (y, x) of the same type."""
    grey = np.empty(frame.shape[:2], frame.dtype)
    for rows in rows_per_block(len(frame), 12 * frame.shape[1]):
        luma = np.full(grey[rows].shape, 1 << 15, np.uint32)
        for channel, weight in enumerate(_WEIGHTS):
            luma += frame[rows, :, channel] * np.uint32(weight)
        grey[rows] = luma >> 16
    return grey
