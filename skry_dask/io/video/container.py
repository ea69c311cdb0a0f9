"""Opening a video with FFmpeg, after checks of what its header claims.

FFmpeg allocates what a header asks for, and also opens playlists, which name other files and
addresses, text, which it renders as a terminal would, and single images. None of these is a
capture.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from skry_dask.errors import ReaderError
from skry_dask.io.containers.avi import is_avi, read_avi_header
from skry_dask.io.containers.mp4 import has_index, implausible_sample_count, is_mp4
from skry_dask.io.files import open_for_reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.stream import VideoStream

_CONTAINERS = (
    "avi,mov,matroska,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,ivf,dv,nut,gif,apng,h264,hevc,m4v,"
    "yuv4mpegpipe,rm,wtv,gxf"
)

# A damaged header may claim frames of 30000 x 30000 px, gigabytes for FFmpeg. Frames of 4K are
# always accepted, larger ones if the file has 4 bytes for each pixel of one frame.
_ACCEPTED_PX = 1 << 23
_FILE_BYTES_PER_PX = 4


def max_frame_pixels(file_size: int) -> int:
    """Return how many pixels a frame may have.

    Parameters
    ----------
    file_size
        Size of the video file, bytes.
    """
    return max(_ACCEPTED_PX, file_size // _FILE_BYTES_PER_PX)


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and the video in it, and close it at the end of the block.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    container
        The open file.
    stream
        Its main video, ready to be decoded in one thread.

    Raises
    ------
    ReaderError
        If FFmpeg does not open the file, there is no video in it or no decoder for it, or its
        header claims what cannot be true.
    """
    import av

    with open_for_reading(path) as file:
        head, size = file.read(14), file.seek(0, 2)
        n_claimed = implausible_sample_count(file, size) if is_mp4(head) else None
    if n_claimed is not None:
        raise ReaderError(
            f"{path} claims {n_claimed} samples in {size} bytes, which cannot be: its index "
            f"(moov) is damaged; copy it again"
        )
    limit = {"max_pixels": str(max_frame_pixels(size))}
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", **limit}
    try:
        # Without "file:", a name with a colon would be an address.
        container = av.open(f"file:{path}", options=options, **_metadata_arguments())
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _not_opened(path, head, size) from error
    with container:
        stream = container.streams.best("video")
        if stream is None:
            reason = "only sound or data; give a video"
            if not len(container.streams):
                reason = "or its header is damaged; copy it again"
            raise ReaderError(f"{path} holds no video, {reason}")
        if getattr(stream, "codec_context", None) is None:
            raise ReaderError(
                f"{path} is compressed with {_codec_name(path)}, for which there is no decoder; "
                f"convert it to .ser or to uncompressed .avi with the program that made it"
            )
        # Dask owns the cores; and with one thread, an error belongs to the packet just decoded.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = limit
        yield container, cast("VideoStream", stream)


@cache
def _metadata_arguments() -> dict[str, Any]:
    """Return the arguments with which PyAV accepts metadata that are not UTF-8.

    PyAV 13 to 18 raise an error unless told otherwise; from 19 on the argument does not exist.
    """
    import av

    major = int(av.__version__.partition(".")[0])
    return {"metadata_errors": "replace"} if major < 19 else {}


def _not_opened(path: Path, head: bytes, size: int) -> ReaderError:
    """Return the error that says why FFmpeg cannot open a file."""
    if is_mp4(head):
        with open_for_reading(path) as file:
            if not has_index(file, size):
                return ReaderError(
                    f"{path} has no index (moov), which a recorder of MP4 or MOV writes last: the "
                    f"recording or the copy was cut off after {size} bytes; copy it again, or have "
                    f"a program for repairing MP4 rebuild the index from a complete recording of "
                    f"the same camera"
                )
    return ReaderError(
        f"{path} is neither SER nor AVI nor another video that FFmpeg decodes: it begins with "
        f"{head!r}; check that it is the right file and complete"
    )


def _codec_name(path: Path) -> str:
    with open_for_reading(path) as file:
        if not is_avi(file.read(12)):
            return "an unknown codec"
        return f"the codec {read_avi_header(file, file.seek(0, 2), path).codec!r}"
