"""BMP and JPEG through Pillow, and the pixels of any image that Pillow decodes.

Pillow keeps colour as four bytes per pixel; it is copied out in blocks of rows, so that no third
copy comes to be. What JPEG's orientation flag says is not followed: a telescope has no upright.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.files import reading
from skry_dask.io.images.image_format import Still, check_size, damaged, decoding, rows_per_block

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.Image import Image as PillowImage

    from skry_dask.types import AnyArray

_PALETTES = {"BGRX": (4, [2, 1, 0]), "BGR": (3, [2, 1, 0]), "RGB": (3, [0, 1, 2])}
_TAIL_BYTES = 1 << 16
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3}


def is_bitmap(head: bytes) -> bool:
    """Tell whether a file begins like a BMP: two letters alone are no proof.

    Parameters
    ----------
    head
        Its first 18 bytes or more.
    """
    known = (12, 40, 52, 56, 64, 108, 124)
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in known


def inspect(path: Path) -> Still:
    """Read the header of a BMP or JPEG.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ReaderError
        Neither of them, damaged, or of a kind that is not supported.
    """
    with reading(path) as file:
        head = file.read(54)
        name = "JPEG" if head.startswith(b"\xff\xd8") else "BMP"
        size = file.seek(0, 2)
    with decoding(path, name), _opened(path, name) as image:
        channels = channels_of(path, name, image)
        check_size(path, size, image.height, image.width, _memory(image, channels))
        if name == "BMP":
            _check_data(path, head, size, image.height, image.width)
        problems = () if name == "BMP" or _ends(path, size) else (f"{path.name} is cut off.",)
        return Still(
            format=name,
            height=image.height,
            width=image.width,
            channels=channels,
            dtype="uint8",
            bits=8,
            problems=problems,
        )


def images(path: Path) -> Iterator[AnyArray]:
    """Decode a BMP or JPEG.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    uint8 (y, x) or (y, x, 3); palettes are looked up.

    Raises
    ------
    ReaderError
        It is damaged.
    """
    name = inspect(path).format
    with decoding(path, name), _opened(path, name) as image:
        found = pixels(path, name, image)
    yield found


def _ends(path: Path, size: int) -> bool:
    """Tell whether the mark of a JPEG's end is there; some cameras add a little after it."""
    with reading(path) as file:
        file.seek(max(size - _TAIL_BYTES, 0))
        return b"\xff\xd9" in file.read(_TAIL_BYTES)


def _check_data(path: Path, head: bytes, size: int, height: int, width: int) -> None:
    """Refuse a BMP that is too short for its pixels, before memory is taken for them."""
    start, first_version = int.from_bytes(head[10:14], "little"), head[14] == 12
    bits = int.from_bytes(head[24:26] if first_version else head[28:30], "little")
    compression = 0 if first_version else int.from_bytes(head[30:34], "little")
    run_lengths = compression in (1, 2)
    # Two bytes of a run are at most 255 pixels; rows of plain pixels are padded to 4 bytes.
    needed = height * width // 128 if run_lengths else (width * bits + 31) // 32 * 4 * height
    if start + needed > size:
        raise damaged(path, "BMP", f"its pixels take {needed} bytes from {start} on, it has {size}")


def _opened(path: Path, name: str) -> PillowImage:
    from PIL import Image

    return Image.open(path, formats=(name,))


def channels_of(path: Path, name: str, image: PillowImage) -> int:
    """Tell how many channels the pixels of an image have: 1 or 3.

    Parameters
    ----------
    path
        Its file, for the message.
    name
        Of its format.
    image
        As opened; its palette decides for images that have one.

    Raises
    ------
    ReaderError
        It has other channels (CMYK...).
    """
    if image.mode == "P":
        return 1 if (_palette(image)[:, 0] == _palette(image).T).all() else 3
    if image.mode not in _CHANNELS:
        raise damaged(path, name, f"its pixels are {image.mode}, neither grey nor RGB")
    return _CHANNELS[image.mode]


def _memory(image: PillowImage, channels: int) -> int:
    """Bytes that Pillow's pixels and the copy of them take."""
    kept = 1 if image.mode in ("1", "L", "P") else 4
    return image.height * image.width * (kept + channels)


def pixels(path: Path, name: str, image: PillowImage) -> AnyArray:
    """Decode an image and copy its pixels.

    Parameters
    ----------
    path
        Its file, for the message.
    name
        Of its format.
    image
        As opened.

    Returns
    -------
    uint8 (y, x) or (y, x, 3).

    Raises
    ------
    ReaderError
        Its channels are neither grey nor RGB.
    """
    image.load()
    channels = channels_of(path, name, image)
    palette = None
    if image.mode == "P":
        palette = np.zeros((256, 3), np.uint8)
        colours = _palette(image)
        palette[: len(colours)] = colours
    found = np.empty((image.height, image.width, channels), np.uint8)
    for rows in rows_per_block(image.height, 4 * image.width):
        part = image.crop((0, rows.start, image.width, rows.stop))
        block = np.asarray(part.convert("L") if part.mode == "1" else part)
        if palette is not None:
            block = palette[block]
        found[rows] = block.reshape(*block.shape[:2], -1)[..., :channels]
    return found if channels == 3 else found[..., 0]


def _palette(image: PillowImage) -> AnyArray:
    """Return the colours (entry, 3) of a palette."""
    palette = image.palette
    if palette is not None and palette.rawmode in _PALETTES:
        # As the file has it: `getpalette` would decode the whole image.
        step, order = _PALETTES[palette.rawmode]
        stored = np.frombuffer(bytes(palette.palette), np.uint8)
        return stored[: len(stored) // step * step].reshape(-1, step)[:, order]
    colours = np.array(image.getpalette("RGB") or [0, 0, 0], np.uint8)
    return colours[: len(colours) // 3 * 3].reshape(-1, 3)


def encode_bitmap(samples: AnyArray) -> bytes:
    """Make a BMP of an image: grey of 8 bits with a palette, or colour of 24 bits.

    Parameters
    ----------
    samples
        uint8 (y, x) or (y, x, 3).

    Returns
    -------
    The bytes of the file.
    """
    from PIL import Image

    target = BytesIO()
    Image.fromarray(samples).save(target, "BMP")
    return target.getvalue()
