"""What is known of a source, and its frames written into a store.

Raw video needs no store; compressed videos and images are decoded into one, once.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from skry_dask.errors import OptionsError, ReaderError, StoreError
from skry_dask.io.files import reading
from skry_dask.io.images.read import HEAD_BYTES, format_of, has_image_suffix, inspect_image
from skry_dask.io.reader import DecodedFrame, RawReader
from skry_dask.io.registry import open_reader
from skry_dask.options import Cfa, as_json
from skry_dask.store.digest import digest_of, fingerprint
from skry_dask.store.frames import (
    chunk_frames,
    is_group,
    is_store,
    is_url,
    open_store,
    write_frames,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skry_dask.io.reader import VideoReader
    from skry_dask.options import ReadOptions

    Input: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    """A video, a folder of images, a pattern or a list of them, a store or its URL."""

STORE_SUFFIX = ".skry"


def store_of(source: Input) -> Path | str | None:
    """Find out whether a source is a store: its folder or URL, or None.

    Raises
    ------
    ReaderError
        If it is a store without frames.
    """
    if isinstance(source, str) and is_url(source):
        return source
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    if is_store(path):
        return path
    if is_group(path):
        raise ReaderError(f"{path} holds results, no frames: give the video that they belong to")
    return None


def reader_of(source: Input, read: ReadOptions) -> RawReader | VideoReader:
    """Open a source that is no store with the reader that it asks for."""
    order: Any = None if read.byte_order is None else read.byte_order.value
    return open_reader(source, byte_order=order, grey=read.grey)


def group_images(sources: Sequence[str]) -> list[str | list[str]]:
    """Take several single images for the frames of one capture; leave everything else alone.

    Parameters
    ----------
    sources
        Names that a user gives, such as those that a shell makes of a pattern.

    Returns
    -------
    The sources, or a list with one list of all of them.
    """
    if len(sources) > 1 and all(_is_single_image(Path(source)) for source in sources):
        return [list(sources)]
    return list(sources)


def _is_single_image(path: Path) -> bool:
    """Tell whether a file is an image and not a sequence of them; if it is missing, by its name."""
    if not path.exists():
        return has_image_suffix(path) and not glob.has_magic(str(path))
    if not path.is_file():
        return False
    with reading(path) as file:
        head = file.read(HEAD_BYTES)
    return format_of(head) is not None and inspect_image(path).n_images == 1


def attributes(reader: RawReader | VideoReader) -> dict[str, Any]:
    """Collect what is known of a file as the attributes of its Dataset."""
    info = reader.info
    # What the frames are, besides the file: a video may be decoded in colour or as grey.
    kind = [info.channels, info.dtype]
    return {
        "source": str(reader.path),
        "format": info.format,
        "bits": info.bits,
        **({} if info.cfa is None else {"cfa": info.cfa}),
        "digest": digest_of(fingerprint(reader.files), kind),
        "problems": list(info.problems),
        **info.attrs,
    }


def sidecar(source: Input) -> Path:
    """Name the store beside a source: ``moon.ser`` and ``moon_*.png`` → ``moon.skry``."""
    if not isinstance(source, str | os.PathLike):
        source = next(iter(source))
    path = Path(source)
    stem = path.name if path.is_dir() else path.stem
    stem = re.sub(r"[*?\[\]]+", "", stem).strip("-_. ") or path.absolute().parent.name
    return path.with_name(f"{stem}{STORE_SUFFIX}")


def as_read(
    attrs: dict[str, Any], shape: tuple[int, ...], dtype: str, read: ReadOptions
) -> dict[str, Any]:
    """Add what the user knows better than the file to its attributes.

    Parameters
    ----------
    attrs
        Of a capture.
    shape, dtype
        Of a frame: (y, x[, channel]).
    read
        See `ReadOptions`.

    Raises
    ------
    OptionsError
        If frames cannot be read that way.
    """
    attrs, where = dict(attrs), attrs.get("source", "the capture")
    if read.cfa is not None:
        if len(shape) > 2 and read.cfa is not Cfa.NONE:
            raise OptionsError(
                f"cfa is {read.cfa}, but {where} has colour channels already: leave --cfa out"
            )
        attrs["cfa"] = read.cfa.value
    if read.bits is not None:
        deepest = 8 * np.dtype(dtype).itemsize
        if read.bits > deepest:
            raise OptionsError(
                f"bits is {read.bits}, but {where} has samples of {deepest} bits: give at most "
                f"{deepest}"
            )
        attrs |= {"header_bits": attrs["bits"], "bits": read.bits}
    if read.grey:
        attrs["grey"] = 1
    given = {k: v for k, v in as_json(read).items() if v not in (None, False)}
    if given:
        attrs["digest"] = digest_of(attrs["digest"], "read", read.version, given)
    return attrs


def decode(
    reader: RawReader | VideoReader,
    place: Path,
    attrs: dict[str, Any],
    progress: Callable[[int, int | None], None] | None,
) -> None:
    """Write the frames of a capture into a store, unless the store has them already.

    Parameters
    ----------
    reader
        Of the capture.
    place
        The store.
    attrs
        Of the capture; see `attributes`.
    progress
        Called with the number of frames done so far, and how many the file claims to have.

    Raises
    ------
    StoreError
        If the store has frames of another capture, or cannot be written.
    ReaderError
        If there is not one frame.
    """
    if _has_already(place, attrs):
        return
    claimed = reader.info.n_frames
    report = (lambda done: progress(done, claimed)) if progress else None
    frames = in_sequence(reader) if isinstance(reader, RawReader) else reader.decode()
    write_frames(place, reader.info, frames, attrs, report)


def _has_already(store: Path, attrs: dict[str, Any]) -> bool:
    """Tell whether a store has the frames of a capture.

    Raises
    ------
    StoreError
        If it has those of another capture, which are not replaced.
    """
    if not is_store(store):
        return False
    kept = open_store(store).attrs
    if kept.get("digest") == attrs["digest"]:
        return True
    if Path(str(kept.get("source"))).name != Path(attrs["source"]).name:
        raise StoreError(f"{store} holds another capture ({kept.get('source')}): give a new name")
    return False


def in_sequence(reader: RawReader) -> Iterator[DecodedFrame]:
    """Read a raw video from its beginning to its end, a chunk at a time."""
    info = reader.info
    step = chunk_frames(info)
    numbers = range(info.n_frames or 0) if info.number is None else info.number.tolist()
    for start in range(0, info.n_frames or 0, step):
        images = reader.read(start, min(start + step, info.n_frames or 0))
        for i, image in enumerate(images, start):
            time = None if info.time is None else int(info.time[i])
            yield DecodedFrame(numbers[i], image, time)


def is_part_of(path: Path, source: Input) -> bool:
    """Tell whether a file is one of a capture's, or would be one if it were there.

    Parameters
    ----------
    path
        A file that may not exist yet.
    source
        A video, a folder of images, a pattern or a list of them.
    """
    if not isinstance(source, str | os.PathLike):
        return any(is_part_of(path, item) for item in source)
    given = Path(source)
    if given.is_dir() and not is_group(given):
        return path.resolve().parent == given.resolve()
    if given.exists():
        return path.exists() and path.samefile(given)
    return fnmatch.fnmatch(str(path.absolute()), str(given.absolute()))


def can_write_in(folder: Path) -> bool:
    """Tell whether a folder takes new files; one without any write permission bit is left alone."""
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:
        return False
