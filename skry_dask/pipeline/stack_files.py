"""Image files of one stack: the stack, its halves and the sharpened image, stretched if wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.finishing.tone.tone import black_and_white, stretched
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.options import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from skry_dask.io.remote import Location
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.options.tone import ToneOptions
    from skry_dask.types import AnyArray


class Tone(NamedTuple):
    """How the images of a stack are stretched.

    Parameters
    ----------
    options
        With a stretch.
    black, white
        Brightness that becomes black and white, 1 = full scale.
    """

    options: ToneOptions
    black: float
    white: float

    @classmethod
    def of(cls, stack: xr.Dataset, options: ToneOptions | None) -> Tone | None:
        """Find black and white by the brightness of the stack; None where nothing is stretched."""
        if options is None:
            return None
        return cls(options, *black_and_white(stack["stack"].to_numpy(), options))

    @property
    def metadata(self) -> dict[str, Any]:
        """What the images say of it."""
        return {
            "tone": as_json(self.options),
            "stretched": {"black": self.black, "white": self.white},
            "scale": "changed: see tone",
        }


def write_stack(
    paths: Mapping[str, Location],
    stack: xr.Dataset,
    metadata: dict[str, Any],
    *,
    kind: str | None,
    tone: Tone | None,
    sharpen: tuple[SharpenOptions, ToneOptions] | None,
) -> list[bool]:
    """Write the images of a stack.

    Parameters
    ----------
    paths
        The files, on this machine, by what they are: "stack", "even", "odd", "sharpened".
    stack
        See `stack`; computed.
    metadata
        What the images say about how they were made.
    kind
        Kind of the images; None for that of the suffix.
    tone
        How they are stretched, but the sharpened image, which has a tone of its own.
    sharpen
        How the sharpened image is made, and its tone.

    Returns
    -------
    Of each image whether it was written: it is left alone if it is there already.
    """
    changed = []
    for name, path in paths.items():
        file, kind_of_file = Path(str(path)), kind or image_kind_for(path)
        if name == "sharpened" and sharpen is not None:
            # It takes 0.1 s to import.
            from skry_dask.pipeline.sharpened import write_sharpened

            named: dict[str, Any] = {"source": paths["stack"].name, "metadata": metadata}
            changed += [write_sharpened(file, stack, *sharpen, kind=kind_of_file, **named)]
            continue
        image, what = _image_of(stack, name)
        about = metadata if what is None else {**metadata, "image": what}
        changed += [write_toned(file, image, kind_of_file, about, tone)]
    return changed


def write_toned(
    path: Path, image: AnyArray, kind: str, metadata: dict[str, Any], tone: Tone | None
) -> bool:
    """Write an image, stretched where that is asked for; see `write_image`."""
    if tone is not None:
        image = stretched(image, tone.black, tone.white)
        metadata = {**metadata, **tone.metadata}
    return write_image(path, image, kind=kind, metadata=metadata)


def _image_of(stack: xr.Dataset, name: str) -> tuple[AnyArray, str | None]:
    """Take an image of a stack, and say what it is if it is not the stack itself."""
    if name == "stack":
        return stack["stack"].to_numpy(), None
    half = stack["half_stack"].sel(half=name).to_numpy()
    return half, f"half stack: the frames with {name} numbers"
