"""What a format of image files provides.

To add a format:

1. Write a module in this folder with a class that implements `ImageFormat`. Import the library that
   the format needs inside the functions that use it.
2. Add an instance of the class to `FORMATS` in `skry_dask.io.images.formats`.
3. If the format can be written, add its kinds to `ImageKind`.
4. In the tests, add files of the format to the tables of `tests/unit/io/images`, and to ``FILES``
   of `tests/property/test_image_readers.py`, which cuts and damages them.

Folders, patterns and lists of images, masters and the suffixes of the command line follow from
that.

A header can claim any size, and a few bytes can unpack to gigabytes. So every format calls
`guards.check_image_size` before it decodes, with the memory that its decoder is going to take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from skry_dask.errors import ReaderError
    from skry_dask.types import AnyArray


class ImageKind(StrEnum):
    """Format and number type of an image that is written."""

    TIFF8 = "tiff8"
    TIFF16 = "tiff16"
    TIFF32 = "tiff32"
    PNG8 = "png8"
    PNG16 = "png16"
    BMP = "bmp"
    FITS = "fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """Description of an image file, from its header.

    Parameters
    ----------
    format
        Name of the format: ``"PNG"``, ``"TIFF"``...
    n_images
        Number of images in the file.
    height, width
        Size of each image, px.
    channels
        1, or 3: red, green, blue.
    dtype
        Type of the stored values: ``"uint8"``, ``"uint16"``, ``"int16"``, ``"float32"``...
    bits
        Depth of unsigned integers: white is ``2**bits - 1``.
    cfa
        Colour filter array, see `CaptureInfo`.
    time
        When the image was taken, ns since 1970-01-01 UTC, or None.
    attrs
        Instrument, telescope, observer and the like; JSON-compatible.
    description
        Text that a program stored as the description of the image.
    problems
        What is wrong with the file although it can be read, one sentence each.
    """

    format: str
    n_images: int = 1
    height: int
    width: int
    channels: int
    dtype: str
    bits: int
    cfa: str | None = None
    time: int | None = None
    attrs: dict[str, str | int | float] = field(default_factory=dict)
    description: str = ""
    problems: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image: (y, x), or (y, x, channel) with three channels."""
        return (self.height, self.width, *((3,) if self.channels == 3 else ()))


class ImageFormat(Protocol):
    """A format of image files: how its files are recognised, read and written.

    A format has no state: files are opened, read and closed in each call.
    """

    name: ClassVar[str]
    """Name in messages, such as ``"PNG"``."""

    suffixes: ClassVar[tuple[str, ...]]
    """Lower-case suffixes of its files, the usual one first. Used to name files, and to recognise a
    file whose beginning is damaged as an image; otherwise the content decides."""

    kinds: ClassVar[Mapping[ImageKind, str]] = {}
    """Kinds that can be written, and the dtype of the samples of each: ``"uint8"``, ``"uint16"`` or
    ``"float32"``. The first is the one for a file of which only the suffix is known."""

    def recognises(self, head: bytes) -> bool:
        """Return whether a file is of this format.

        Parameters
        ----------
        head
            The first 512 bytes of the file, or all if there are fewer.
        """
        ...

    def read_header(self, path: Path) -> ImageHeader:
        """Read the header of a file.

        Parameters
        ----------
        path
            A file that is recognised.

        Raises
        ------
        ReaderError
            If the file is damaged, of a kind that is not supported, or its images differ in size or
            type. If only its end is missing, that is a problem in the header and no error.
        """
        ...

    def decode(self, path: Path) -> Generator[AnyArray | ReaderError]:
        """Decode the images of a file one after the other.

        Parameters
        ----------
        path
            A file that is recognised.

        Yields
        ------
        array or ReaderError
            (y, x) or (y, x, 3): the stored values, native byte order, top row first; red, green,
            blue, without transparency. An image that cannot be decoded comes as the error that says
            why, so that one damaged page does not end a capture.

        Raises
        ------
        ReaderError
            If the header cannot be read, or no further image.
        """
        ...

    def encode(self, samples: AnyArray, metadata: Mapping[str, Any]) -> bytes:
        """Make a file of an image; the same image and metadata give the same bytes.

        Parameters
        ----------
        samples
            (y, x) or (y, x, 3), of a dtype among `kinds`.
        metadata
            How the image was made; JSON-compatible. Stored as the description of the image if the
            format has a place for it (`describe`).

        Returns
        -------
        bytes
            Content of the file.

        Raises
        ------
        StoreError
            If a library is missing.
        NotImplementedError
            If files of the format are only read: `kinds` is empty.
        """
        ...


def describe(metadata: Mapping[str, Any]) -> str:
    """Make the description that is stored in an image.

    Parameters
    ----------
    metadata
        What JSON does not know is stored as its text.

    Returns
    -------
    str
        JSON; ASCII, without line breaks.
    """
    return json.dumps(dict(metadata), default=str)


def parse_description(text: str) -> dict[str, Any]:
    """Return the metadata that `describe` stored.

    Parameters
    ----------
    text
        Description of an image, made by any program.

    Returns
    -------
    dict
        Empty for the description of another program.
    """
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def software_name() -> str:
    """Return name and version of this program, to be stored in images."""
    try:
        return f"skry_dask {version('skry_dask')}"
    except PackageNotFoundError:  # a source tree that is not installed
        return "skry_dask"
