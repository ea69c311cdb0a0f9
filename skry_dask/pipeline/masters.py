"""Master darks and flats: a video in, one image out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skry_dask.capture.calibration.frame_means import master_dark, master_flat
from skry_dask.capture.open import in_chunks
from skry_dask.capture.select import select
from skry_dask.capture.source import resolve
from skry_dask.graph.resources import resources
from skry_dask.io.images.write import image_kind_for, write_image
from skry_dask.io.remote import located
from skry_dask.options import ReadOptions, SelectOptions
from skry_dask.options.given import options_of_several
from skry_dask.pipeline.outputs import Outputs, brightness_scale, software
from skry_dask.pipeline.progress import Progress, report_nothing, shows_progress
from skry_dask.pipeline.upload import to_write

if TYPE_CHECKING:
    import os

    import xarray as xr

    from skry_dask.capture.inputs import Input
    from skry_dask.io.remote import RemotePath
    from skry_dask.pipeline.progress import Report


@shows_progress
def make_master(
    source: Input,
    output: str | os.PathLike[str] | RemotePath,
    *,
    flat: bool = False,
    dark: str | os.PathLike[str] | None = None,
    output_format: str | None = None,
    read: ReadOptions | None = None,
    selection: SelectOptions | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Report | None = None,
    **choices: Any,
) -> xr.Dataset:
    """Make a master dark or flat from a video, and write it as an image.

    Parameters
    ----------
    source
        A video or images taken without light (for a dark), or of an evenly lit field (for a flat).
    output
        Image to write; ``.tif`` keeps float32.
    flat
        Whether to make a flat.
    dark
        Master dark to be subtracted from the flat.
    output_format
        Kind of image; by default float32 where the suffix allows it.
    read, selection
        See `open_capture`.
    scheduler, workers, progress
        See `run`.
    **choices
        Options of `ReadOptions` and `SelectOptions` by name, such as ``bits=12``. They win over
        ``read`` and ``selection``.

    Returns
    -------
    xarray.Dataset
        ``master`` float32 (y, x[, channel]), 1 = full scale, and ``n_frames``, computed; attribute
        ``problems``, what the user should know.

    Raises
    ------
    SkryError
        If anything fails; the message says what, where, and what to do about it.

    Examples
    --------
    >>> import skry_dask as skry
    >>> dark = skry.make_master("covered.ser", "dark.tif")
    >>> dark["master"].dims, int(dark["n_frames"])
    (('y', 'x'), 4)
    """
    read, selection = options_of_several(
        (ReadOptions, read), (SelectOptions, selection), choices=choices, function="make_master"
    )
    output = located(output)
    kind = output_format or (
        "tiff32" if image_kind_for(output) == "tiff16" else image_kind_for(output)
    )
    outputs = Outputs(image=output, kind=kind)
    outputs.check()
    name = "flat" if flat else "dark"
    report = progress or report_nothing
    with resources(scheduler, workers) as runner:
        resolved = resolve(source, read)
        outputs.check_inputs(resolved, dark)
        opened = resolved.open(report=lambda done, total: report(Progress("import", done, total)))
        runner.require(opened.identity)
        capture = in_chunks(select(opened.capture, selection), opened.n_chunk)
        lazy = master_flat(capture, dark) if flat else master_dark(capture)
        made = runner.compute(lazy, lambda done, total: report(Progress(name, done, total)))
        resolved.check_unchanged()
    metadata = {
        "software": software(),
        "image": f"master {name}",
        "source": Path(capture.attrs["source"]).name,
        "frames": capture.sizes["frame"],
        "scale": brightness_scale(capture),
    }
    with to_write(output) as path:
        write_image(path, made["master"].to_numpy(), kind=kind, metadata=metadata)
    problems = [*capture.attrs["problems"], *made.attrs.get("problems", ())]
    return made.assign_attrs(problems=problems)
