"""What is known about a source before a frame of it is read or decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.capture.inputs import first_name
from skry_dask.io.reader import RawReader
from skry_dask.store.digest import digest_of
from skry_dask.store.frames.open import array_of, attributes_of_capture, read_known

if TYPE_CHECKING:
    import zarr

    from skry_dask.capture.inputs import Input
    from skry_dask.io.reader import VideoReader
    from skry_dask.io.remote import Location
    from skry_dask.types import IntArray


class Header(NamedTuple):
    """What is known about a source before a frame is read or decoded.

    Parameters
    ----------
    n_frames
        Number of frames; for a compressed video what its header claims, or None.
    frame_shape
        (y, x[, channel]), px.
    dtype
        ``"uint8"`` or ``"uint16"``.
    time
        int64 (frame), ns since 1970-01-01 UTC, or None.
    attrs
        Attributes of the capture as the file has them; see `open_capture`.
    """

    n_frames: int | None
    frame_shape: tuple[int, ...]
    dtype: str
    time: IntArray | None
    attrs: dict[str, Any]


def header_of_store(group: zarr.Group, location: Location) -> Header:
    """Read the header of a store."""
    frames = array_of(group, "frames", location)
    return Header(
        n_frames=frames.shape[0],
        frame_shape=frames.shape[1:],
        dtype=frames.dtype.name,
        time=read_known(group, "time", location),
        attrs={**attributes_of_capture(group), "store": str(location)},
    )


def header_of_reader(reader: RawReader | VideoReader, fingerprint: str, given: Input) -> Header:
    """Take the header that a reader has read, with the `fingerprint` of the files.

    The source is named as the user does, while readers of raw video have an absolute path.
    """
    info = reader.info
    # The digest depends on how frames are decoded, too: a video can be read in colour or as grey.
    decoded_as = [info.channels, info.dtype]
    attrs = {
        "source": first_name(given) if isinstance(reader, RawReader) else str(reader.path),
        "format": info.format,
        "bits": info.bits,
        **({} if info.cfa is None else {"cfa": info.cfa}),
        "digest": digest_of(fingerprint, decoded_as),
        "problems": list(info.problems),
        **info.attrs,
    }
    return Header(info.n_frames, info.frame_shape, info.dtype, info.time, attrs)
