"""Pixels of images that Pillow decodes, copied to arrays: BMP, JPEG and PNG of up to 8 bits.

Pillow keeps colour as four bytes per pixel. Pixels are copied in bands of rows, so that there is
never a third copy of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.images.guards import damaged, row_bands

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image as PillowImage

    from skry_dask.types import AnyArray

# Bytes per colour of a palette, and which of them are red, green and blue; by Pillow's raw mode.
_PALETTE_LAYOUTS = {"BGRX": (4, [2, 1, 0]), "BGR": (3, [2, 1, 0]), "RGB": (3, [0, 1, 2])}
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3}


def open_image(path: Path, format_name: str) -> PillowImage:
    """Open an image file with Pillow; to be used as a context manager.

    Parameters
    ----------
    path
        The file.
    format_name
        Name of its format; Pillow tries no other.
    """
    from PIL import Image

    return Image.open(path, formats=(format_name,))


def count_channels(path: Path, format_name: str, image: PillowImage) -> int:
    """Return the number of channels of an image: 1 or 3.

    Parameters
    ----------
    path
        The file, for messages.
    format_name
        Name of its format.
    image
        As opened. An image with a palette has one channel if all colours are grey.

    Raises
    ------
    ReaderError
        If it has other channels (CMYK...).
    """
    if image.mode == "P":
        return 1 if (_palette(image)[:, 0] == _palette(image).T).all() else 3
    if image.mode not in _CHANNELS:
        raise damaged(path, format_name, f"its pixels are {image.mode}, neither grey nor RGB")
    return _CHANNELS[image.mode]


def memory_bytes(image: PillowImage, channels: int) -> int:
    """Return the memory that decoding an image takes, with the array that is returned.

    Parameters
    ----------
    image
        As opened.
    channels
        Number of channels of the array.
    """
    pillow_channels = 1 if image.mode in ("1", "L", "P") else 4
    return image.height * image.width * (pillow_channels + channels)


def decode_pixels(path: Path, format_name: str, image: PillowImage) -> AnyArray:
    """Decode an image; palettes are looked up, transparency is left out.

    Parameters
    ----------
    path
        The file, for messages.
    format_name
        Name of its format.
    image
        As opened.

    Returns
    -------
    uint8 (y, x) or (y, x, 3)
        Newly allocated.

    Raises
    ------
    ReaderError
        If its channels are neither grey nor RGB.
    """
    image.load()
    channels = count_channels(path, format_name, image)
    palette = None
    if image.mode == "P":
        palette = np.zeros((256, 3), np.uint8)
        colours = _palette(image)
        palette[: len(colours)] = colours
    pixels = np.empty((image.height, image.width, channels), np.uint8)
    for rows in row_bands(image.height, 4 * image.width):
        cropped = image.crop((0, rows.start, image.width, rows.stop))
        band = np.asarray(cropped.convert("L") if cropped.mode == "1" else cropped)
        if palette is not None:
            band = palette[band]
        pixels[rows] = band.reshape(*band.shape[:2], -1)[..., :channels]
    return pixels if channels == 3 else pixels[..., 0]


def _palette(image: PillowImage) -> AnyArray:
    """Return the colours (entry, 3) of a palette: red, green, blue."""
    palette = image.palette
    if palette is not None and palette.rawmode in _PALETTE_LAYOUTS:
        # As stored in the file: `getpalette` would decode the whole image.
        step, order = _PALETTE_LAYOUTS[palette.rawmode]
        stored = np.frombuffer(bytes(palette.palette), np.uint8)
        return stored[: len(stored) // step * step].reshape(-1, step)[:, order]
    colours = np.array(image.getpalette("RGB") or [0, 0, 0], np.uint8)
    return colours[: len(colours) // 3 * 3].reshape(-1, 3)
