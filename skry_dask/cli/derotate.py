"""``skry derotate``: images of a globe, shown as they were at one moment."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from skry_dask.cli.flags import DEROTATE, AsJson, ImageKinds, Place
from skry_dask.cli.process import importing
from skry_dask.cli.terminal import print_notes, reporting
from skry_dask.errors import OptionsError
from skry_dask.options.rotation import DerotateOptions


def derotate(
    *images: str,
    output: Annotated[Place | None, Parameter(alias="-o")] = None,
    out_dir: Place | None = None,
    output_format: ImageKinds | None = None,
    json_: AsJson = False,
    options: Annotated[DerotateOptions, DEROTATE] = DerotateOptions(),  # noqa: B008
) -> int:
    """Derotate images of a planet or the Sun, such as stacks of filters, to one moment.

    Each image needs its time, which stacks of captures with times have in their metadata, and the
    whole disc. Of several images the surface is shown as it was in the middle between them.

    Parameters
    ----------
    images
        Stacks of one night.
    output
        Image to write (.tif, .png, .bmp, .fits), or its URL, for one image [default:
        IMAGE-derotated.tif in the current folder, with the suffix of the image].
    out_dir
        Folder for the images IMAGE-derotated.tif, created if it does not exist.
    output_format
        Kind of image [default: that of the suffix].
    json_
        Print a summary as JSON, one line per image.
    """
    if not images:
        raise OptionsError("no image is given: name stacks, such as skry derotate r.tif g.tif")
    if output is not None and (out_dir is not None or len(images) > 1):
        raise OptionsError("--output is for one image: give --out-dir for several")
    with importing():
        from skry_dask.pipeline.batch_plan import create_folder
        from skry_dask.pipeline.derotation import derotate_images
    if out_dir is not None:
        create_folder(out_dir)
    folder = out_dir or Path()
    names = [f"{Path(image).stem}-derotated{Path(image).suffix}" for image in images]
    if len(set(names)) < len(names):
        raise OptionsError(
            f"images of one name would be derotated into one file ({names[0]}): give them other "
            "names, or call derotate for each with --to and --output"
        )
    outputs = [output] if output is not None else [folder / name for name in names]
    with reporting():
        done = derotate_images(images, outputs, output_format=output_format, options=options)
    for one in done:
        if json_:
            print(json.dumps(asdict(one)))
            continue
        print(f"{one.output}: turned back by {one.turned:.2f} degrees, to {one.time}")
        print_notes([one.note])
    return 0
