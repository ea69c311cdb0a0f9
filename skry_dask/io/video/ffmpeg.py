"""Compressed video, decoded by FFmpeg through PyAV.

Frames of a compressed video depend on each other, and the frame count in its header is not
reliable. So a video is decoded once, from its beginning to its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from skry_dask.errors import ReaderError
from skry_dask.io.containers.truncation import count_missing_bytes
from skry_dask.io.files import open_for_reading
from skry_dask.io.reader import CaptureInfo, DecodedFrame
from skry_dask.io.video.colour import has_colour, to_rgb, unknown_matrix
from skry_dask.io.video.container import max_frame_pixels, open_video
from skry_dask.io.video.grey import is_limited_range, to_grey
from skry_dask.io.video.packets import decode_entries
from skry_dask.io.video.pixel_layout import layout_of
from skry_dask.io.video.samples import sample_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from skry_dask.types import Frames

_REMEDY = "check that it is complete, or convert it to .ser or to uncompressed .avi"

# Codecs that place a colour sample between the columns that share it; others place it on the first.
_CENTRED_CHROMA_CODECS = ("mjpeg", "mjpegb", "mpeg1video")


class PyAvReader:
    """A compressed video.

    Frames of a colour video are red, green and blue in full range, converted by the matrix and the
    range that the file states. Other frames are grey, and raw colour stays raw.

    Parameters
    ----------
    path
        The file. Its first frame is decoded to find size and depth.
    grey
        Whether to convert colour to grey, its luma.

    Raises
    ------
    ReaderError
        If the file is not a video, there is no decoder for it, or no frame can be decoded.
    """

    path: Path
    files: tuple[Path, ...]
    info: CaptureInfo
    random_access = False

    def __init__(self, path: str | os.PathLike[str], *, grey: bool = False) -> None:
        self.path = Path(path)
        self.files = (self.path,)
        with open_video(self.path) as (container, stream):
            # Read before decoding: a decoder that cannot be opened forgets the stated size, and
            # FFmpeg 9 takes its codec away, without which PyAV 19 crashes.
            codec = stream.codec_context.name
            stated_size = stream.codec_context.width, stream.codec_context.height
            entries = decode_entries(container, stream)
            frame = next((entry.frame for entry in entries if entry.frame is not None), None)
            if frame is None:
                raise self._no_frames(codec, *stated_size)
            dtype = sample_dtype(frame)
            is_colour = has_colour(frame) and not grey
            image, problem = _convert(frame, dtype, is_colour, codec)
            if image is None:
                raise ReaderError(
                    f"the first frame of {self.path} cannot be used: {problem}; {_REMEDY}"
                )
            self.info = CaptureInfo(
                format=f"{codec} video",
                n_frames=stream.frames if stream.frames > 0 else None,
                height=image.shape[0],
                width=image.shape[1],
                dtype=dtype,
                bits=8 if dtype == "uint8" else 16,
                channels=3 if is_colour else 1,
                cfa=_cfa(frame),
                attrs=_attributes(container, stream, frame),
                problems=(*_truncation(self.path), *_frame_problems(frame, is_colour)),
            )

    def decode(self, start: int = 0) -> Iterator[DecodedFrame]:
        """Decode from the beginning to the end.

        Parameters
        ----------
        start
            Number of the first frame that is wanted. Those before it are decoded, too, because
            later ones depend on them, but not converted.

        Yields
        ------
        DecodedFrame
            The image is uint8 or uint16 (y, x) or (y, x, channel), full range, newly allocated;
            None for a frame that is damaged or differs in size from the first. Of frames that were
            dropped in a row while recording, only the first is an entry. If the end of the file is
            damaged or missing, the last entry says so, in place of the frames that are lost there.

        Raises
        ------
        ReaderError
            If the file can no longer be opened.
        """
        shape = self.info.frame_shape
        is_colour = self.info.channels > 1
        with open_video(self.path) as (container, stream):
            codec = stream.codec_context.name
            first_stamp = _first_time_stamp(container, stream)
            for number, frame, problem in decode_entries(container, stream):
                if frame is None:
                    if number >= start:
                        yield DecodedFrame(number, None, problem=problem)
                    continue
                time, stamp = None, frame.pts if frame.pts is not None else frame.dts
                if stamp is not None and frame.time_base:
                    first_stamp = stamp if first_stamp is None else first_stamp
                if number < start:
                    continue
                if stamp is not None and frame.time_base and first_stamp is not None:
                    time = round((stamp - first_stamp) * frame.time_base * 1_000_000_000)
                image, failure = _convert(frame, self.info.dtype, is_colour, codec)
                if image is not None and image.shape != shape:
                    failure = (
                        f"its size is {image.shape[1]} x {image.shape[0]} px, that of the first "
                        f"{shape[1]} x {shape[0]}"
                    )
                    image = None
                yield DecodedFrame(number, image, time, failure or problem or None)

    def _no_frames(self, codec: str, width: int, height: int) -> ReaderError:
        """Return the error that says why no frame can be decoded."""
        size = self.path.stat().st_size
        limit = max_frame_pixels(size)
        if not 0 < width * height <= limit:
            # FFmpeg may have replaced a size above the limit by 0 x 0.
            return ReaderError(
                f"{self.path} states a frame size of {width} x {height} px: none, or more than the "
                f"{limit} px that are accepted in {size} bytes; its header is damaged, record or "
                f"copy it again"
            )
        return ReaderError(
            f"not one frame of {self.path} can be decoded ({codec} video); {_REMEDY}"
        )


def _first_time_stamp(container: InputContainer, stream: VideoStream) -> int | None:
    """Return the time stamp that counts as 0, in units of the stream; None if it is not stated."""
    return 0 if container.format.name == "avi" else stream.start_time


def _convert(
    frame: VideoFrame, dtype: str, is_colour: bool, codec: str
) -> tuple[Frames | None, str | None]:
    """Return the image of a frame and None; or None and the reason why there is none."""
    import av

    try:
        if is_colour:
            image = to_rgb(frame, dtype, centred_chroma=codec in _CENTRED_CHROMA_CODECS)
        else:
            image = to_grey(frame, dtype)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        return None, f"its pixels ({frame.format.name}) cannot be converted ({reason})"
    return _turn_upright(image, frame), None


def _turn_upright(image: Frames, frame: VideoFrame) -> Frames:
    """Rotate and mirror an image as the file states, in quarter turns.

    A display matrix maps a pixel (x, y) to (a x + c y, b x + d y) (ISO 14496-12, 8.2.2). PyAV has a
    `rotation` only from version 14 on, and it does not know mirroring.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(cast("bytes", matrix), np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _cfa(frame: VideoFrame) -> str | None:
    """Return the colour filter array of raw colour, once the frame is turned upright."""
    layout = layout_of(frame.format.name)
    if layout is None or layout.cfa is None or min(frame.height, frame.width) < 2:
        return None
    pattern = np.frombuffer(layout.cfa.encode("ascii"), np.uint8).reshape(2, 2)
    tiled = np.tile(pattern, (-(-frame.height // 2), -(-frame.width // 2)))
    upright = _turn_upright(tiled[: frame.height, : frame.width], frame)
    return upright[:2, :2].tobytes().decode("ascii")


def _attributes(
    container: InputContainer, stream: VideoStream, frame: VideoFrame
) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {
        "codec": stream.codec_context.name,
        "container": container.format.name,
        "pixel_format": frame.format.name,
        "range": "limited" if is_limited_range(frame) else "full",
    }
    if stream.average_rate:
        attributes["fps"] = float(stream.average_rate)
    return attributes


def _truncation(path: Path) -> tuple[str, ...]:
    """Report a file that was cut off; empty if it is complete."""
    with open_for_reading(path) as file:
        size = file.seek(0, 2)
        n_missing = count_missing_bytes(file, size)
    if not n_missing:
        return ()
    return (
        f"{path.name} was cut off: {n_missing} of its {size + n_missing} bytes are missing, and "
        f"frames with them, unless they are only the index; copy it again.",
    )


def _frame_problems(frame: VideoFrame, is_colour: bool) -> tuple[str, ...]:
    """Report what the first frame shows to be wrong with all frames."""
    problems = []
    matrix = unknown_matrix(frame) if is_colour else None
    if matrix is not None:
        problems.append(
            f"The colour matrix is not known here (number {matrix} of ITU-T H.273): colours may "
            f"come out wrong."
        )
    if frame.interlaced_frame:
        problems.append(
            "Frames are interlaced: their odd and even rows were taken at different times; "
            "deinterlace them first."
        )
    return tuple(problems)
