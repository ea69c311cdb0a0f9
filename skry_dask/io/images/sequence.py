"""Image sequences: folders, lists and patterns of images, pages of a TIFF, cubes of a FITS file.

All headers are read when a sequence is opened, 0.1 to 1 ms for each file, so that an image of
another size or depth is found before anything is decoded. Images are decoded one at a time, in
order. A damaged image costs its own frame and not the job.

Frames have 8 or 16 bits. Floating point becomes 16 bits, on one scale for the whole sequence, which
its first image decides (``attrs["scale"]``).
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.images.formats import image_format_of
from skry_dask.io.images.guards import row_bands
from skry_dask.io.images.image_files import find_image_files
from skry_dask.io.images.read import white_level
from skry_dask.io.reader import CaptureInfo, DecodedFrame

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from skry_dask.io.images.image_format import ImageHeader
    from skry_dask.types import AnyArray, Frames

# 0.299, 0.587, 0.114 (ITU-R BT.601) times 2**16, as in `skry_dask.io.video.grey`.
_LUMA_WEIGHTS = (19595, 38470, 7471)
_SCALES = {1.0: "1.0 is 65535", 65535.0: "grey levels"}


class SequenceReader:
    """Images as the frames of a capture.

    Parameters
    ----------
    source
        A folder, whose images are taken in natural order (frame2 before frame10) and whose other
        files are ignored; an image file; a pattern such as ``shots/frame_*.png``, also in natural
        order; or paths of image files, in the order given.
    grey
        Whether to convert colour to grey, by the weights of ITU-R BT.601.

    Raises
    ------
    ReaderError
        If there is no image, images are of several formats, or one differs from the first in size,
        number of channels, depth or colour filter array.

    Notes
    -----
    ``path`` is the folder or the file; for a pattern or paths, the first file. If all FITS files of
    a sequence have DATE-OBS, frames have it as their time, ns since 1970-01-01 UTC.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo
    random_access = True

    def __init__(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        grey: bool = False,
    ) -> None:
        self.path, self.files = find_image_files(source)
        self.grey = grey
        headers = [_read_header(path) for path in self.files]
        first = next((header for header in headers if not isinstance(header, str)), None)
        if first is None:
            raise ReaderError(str(headers[0]))
        self._check_same_kind(first, headers)
        # A file whose header cannot be read counts as one image, so that its loss is reported.
        self._counts = tuple(
            1 if isinstance(header, str) else header.n_images for header in headers
        )
        self._stored_kind = (first.shape, first.dtype)
        self._white = float(2**first.bits - 1)
        self._times = [None if isinstance(header, str) else header.time for header in headers]
        has_times = None not in self._times
        attributes = dict(first.attrs)
        if first.dtype not in ("uint8", "uint16"):
            self._white = self._white_of_first_image()
            attributes["scale"] = _SCALES[self._white]
        is_colour = first.channels == 3 and not grey
        n_frames = sum(self._counts)
        self.info = CaptureInfo(
            format=f"{first.format} {'sequence' if n_frames > 1 else 'image'}",
            n_frames=n_frames,
            height=first.height,
            width=first.width,
            dtype="uint8" if first.dtype == "uint8" else "uint16",
            bits=first.bits,
            channels=3 if is_colour else 1,
            cfa=first.cfa,
            time=np.array(self._times, np.int64) if has_times else None,
            attrs=attributes,
            problems=tuple(
                problem
                for header in headers
                for problem in ([f"{header}."] if isinstance(header, str) else header.problems)
            ),
        )

    def decode(self, start: int = 0) -> Iterator[DecodedFrame]:
        """Decode from an image to the last.

        Parameters
        ----------
        start
            Number of the first image. Files before that which has it are not read.

        Yields
        ------
        DecodedFrame
            The image is uint8 or uint16 (y, x) or (y, x, channel), newly allocated; None for one
            that is damaged. A floating-point image with values outside the scale has a problem as
            well, which says that they were clipped.
        """
        number = 0
        for path, count, time in zip(self.files, self._counts, self._times, strict=True):
            time = time if self.info.time is not None else None
            if number + count <= start:
                number += count
                continue
            with closing(_decode_file(path, count)) as images:
                for stored in images:
                    if number >= start:
                        image, problem = self._to_frame(path, stored)
                        yield DecodedFrame(number, image, time, problem)
                    number += 1

    def _check_same_kind(self, first: ImageHeader, headers: list[ImageHeader | str]) -> None:
        def kind(header: ImageHeader) -> tuple[object, ...]:
            return header.shape, header.dtype, header.bits, header.cfa

        first_path = next(
            path for path, header in zip(self.files, headers, strict=True) if header is first
        )
        for path, header in zip(self.files, headers, strict=True):
            if not isinstance(header, str) and kind(header) != kind(first):
                raise ReaderError(
                    f"{path} is not like the images before it: it has {_described(header)}, "
                    f"{first_path.name} {_described(first)}; leave it out, or put it into a "
                    f"sequence of its own"
                )

    def _white_of_first_image(self) -> float:
        """Return the value of white, which the first image that can be decoded decides."""
        reason = ""
        for path, count in zip(self.files, self._counts, strict=True):
            with closing(_decode_file(path, count)) as images:
                for stored in images:
                    if not isinstance(stored, str):
                        return white_level(stored, 16)
                    reason = reason or stored
        raise ReaderError(reason)

    def _to_frame(self, path: Path, stored: AnyArray | str) -> tuple[Frames | None, str | None]:
        """Convert a stored image, or the reason of its loss, to a frame and its problem."""
        if isinstance(stored, str):
            return None, stored
        if (stored.shape, stored.dtype.name) != self._stored_kind:
            return None, f"{path} has changed since it was opened: it is {stored.shape} now"
        frame, n_clipped = _to_levels(stored, self._white)
        problem = None
        if n_clipped:
            limits = "0...1" if self._white == 1 else "0...65535"
            problem = f"{n_clipped} values of {path} are not in {limits} and were clipped"
        return _to_grey(frame) if self.grey and frame.ndim == 3 else frame, problem


def _read_header(path: Path) -> ImageHeader | str:
    """Read a header, or return why it cannot be read."""
    try:
        return image_format_of(path).read_header(path)
    except ReaderError as error:
        return str(error)


def _decode_file(path: Path, count: int) -> Generator[AnyArray | str]:
    """Decode the images of a file; for each that cannot be decoded, yield the reason."""
    n_decoded = 0
    reason = f"{path} has fewer images than when it was opened"
    try:
        with closing(image_format_of(path).decode(path)) as images:
            for image in images:
                yield str(image) if isinstance(image, ReaderError) else image
                n_decoded += 1
                if n_decoded == count:
                    return
    except ReaderError as error:
        reason = str(error)
    for _ in range(n_decoded, count):
        yield reason


def _described(header: ImageHeader) -> str:
    colour = "colour" if header.channels == 3 else "grey"
    if header.cfa:
        colour = f"raw colour {header.cfa}"
    return f"{header.width} x {header.height} px in {colour} ({header.dtype}, {header.bits} bits)"


def _to_levels(stored: AnyArray, white: float) -> tuple[Frames, int]:
    """Convert an image to 8 or 16 bits; return it and the number of clipped values."""
    if stored.dtype in (np.uint8, np.uint16):
        return stored, 0
    frame = np.empty(stored.shape, np.uint16)
    n_clipped = 0
    for rows in row_bands(len(stored), 8 * stored[0].size):
        values = stored[rows].astype(np.float64) * (65535.0 / white)
        is_inside = (values >= 0) & (values <= 65535)  # False for not-a-number
        n_clipped += is_inside.size - int(np.count_nonzero(is_inside))
        clipped = np.nan_to_num(values, nan=0.0).clip(0, 65535)
        frame[rows] = np.rint(clipped)
    return frame, n_clipped


def _to_grey(frame: Frames) -> Frames:
    """Convert red, green and blue (y, x, 3) to grey (y, x) of the same type."""
    grey = np.empty(frame.shape[:2], frame.dtype)
    for rows in row_bands(len(frame), 12 * frame.shape[1]):
        luma = np.full(grey[rows].shape, 1 << 15, np.uint32)  # half, for rounding
        for channel, weight in enumerate(_LUMA_WEIGHTS):
            luma += frame[rows, :, channel] * np.uint32(weight)
        grey[rows] = luma >> 16
    return grey
