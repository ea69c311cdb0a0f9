"""``skry sharpen``: images in, sharpened images out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from skry_dask.cli.flags import SHARPEN, TONE, AsJson, ImageKinds, Place
from skry_dask.cli.process import importing
from skry_dask.cli.terminal import print_error, print_notes, reporting
from skry_dask.errors import OptionsError, SkryError
from skry_dask.options.sharpening import SharpenOptions
from skry_dask.options.tone import ToneOptions
from skry_dask.pipeline.options_file import write_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.io.remote import Location
    from skry_dask.pipeline.sharpening import SharpenedFile


def sharpen(
    *images: str,
    output: Annotated[Place | None, Parameter(alias="-o")] = None,
    out_dir: Place | None = None,
    output_format: ImageKinds | None = None,
    even: Place | None = None,
    odd: Place | None = None,
    options_file: Annotated[Path | None, Parameter(name="--options")] = None,
    save_options: Path | None = None,
    json_: AsJson = False,
    options: Annotated[SharpenOptions, SHARPEN] = SharpenOptions(),
    tone: Annotated[ToneOptions, TONE] = ToneOptions(),
) -> int:
    """Sharpen images, such as stacks.

    The image keeps its brightness: limbs get no bright lines, highlights are not cut off. Its
    metadata say how it was made and how it was sharpened. One failure does not stop the images
    after it; the exit status is the worst of all.

    Parameters
    ----------
    images
        TIFF, PNG, FITS, BMP or JPEG images, or their URLs; best are stacks in 16 bits or float32.
    output
        Image to write (.tif, .png, .bmp, .fits), or its URL, for one image [default:
        IMAGE-sharpened.tif in the current folder, with the suffix of the image].
    out_dir
        Folder for the images IMAGE-sharpened.tif, created if it does not exist.
    output_format
        Kind of image [default: that of the suffix].
    even
        Half stack of the even frames, which with the odd one shows how strong the noise is, for one
        image [default: IMAGE-even.tif beside the image, if it is there].
    odd
        Half stack of the odd frames [default: IMAGE-odd.tif beside the image].
    options_file
        File with options, as --save-options writes it; flags win over it.
    save_options
        Write the sharpening options into this file (.toml), for --options.
    json_
        Print a summary as JSON, one line per image as soon as it is finished; a line for one that
        failed, too: "error" and "exit_status" say why.
    """
    if not images and save_options is None:
        raise OptionsError("no image is given: name a stack, such as skry sharpen moon.tif")
    if (even is None) != (odd is None):
        raise OptionsError("--even and --odd belong together: give both, or none of them")
    if save_options is not None:
        write_options(save_options, options, tone)
    if not images:
        return 0
    with importing():
        from skry_dask.pipeline.batch_plan import SUFFIXES, create_folder

    suffix = None if output_format is None else SUFFIXES[output_format]
    jobs = _plan(images, output, out_dir, suffix, has_halves=even is not None)
    if out_dir is not None:
        create_folder(out_dir)
    halves = None if even is None or odd is None else (even, odd)
    return _sharpen_each(
        jobs, options, as_json=json_, halves=halves, output_format=output_format, tone=tone
    )


def _plan(
    images: Sequence[str],
    output: Location | None,
    out_dir: Location | None,
    suffix: str | None,
    *,
    has_halves: bool,
) -> list[tuple[Location, Location]]:
    """Name the output of each image.

    Raises
    ------
    OptionsError
        If flags contradict each other, or two images would have one output.
    """
    from skry_dask.io.remote import located
    from skry_dask.pipeline.sharpened import sharpened_name

    if output is not None and out_dir is not None:
        raise OptionsError("--output and --out-dir contradict each other: give one of them")
    for flag, given in (("--output", output is not None), ("--even", has_halves)):
        if given and len(images) > 1:
            raise OptionsError(
                f"{flag} is for one image, but {len(images)} are given: leave it out, or call skry "
                "sharpen for each"
            )
    folder = out_dir or Path()
    jobs: list[tuple[Location, Location]] = []
    outputs: dict[str, str] = {}
    for name in images:
        image = located(name)
        target = output or folder / sharpened_name(image, suffix)
        other = outputs.setdefault(str(target).casefold(), name)
        if other != name or (str(image), str(target)) in [(str(a), str(b)) for a, b in jobs]:
            raise OptionsError(
                f"{other} and {name} would both be sharpened into {target}: call skry sharpen for "
                "each, with --out-dir"
            )
        jobs.append((image, target))
    return jobs


def _sharpen_each(
    jobs: Sequence[tuple[Location, Location]],
    options: SharpenOptions,
    *,
    as_json: bool,
    halves: tuple[Location, Location] | None,
    output_format: str | None,
    tone: ToneOptions,
) -> int:
    """Sharpen images one after the other, and print what became of each."""
    from skry_dask.pipeline.sharpening import sharpen_file

    worst = 0
    with reporting():
        for image, target in jobs:
            done: SharpenedFile | None = None
            failure: SkryError | None = None
            try:
                done = sharpen_file(
                    image,
                    target,
                    options,
                    halves=halves,
                    output_format=output_format,
                    tone=tone,
                )
            except SkryError as error:
                failure = error
            status = 0 if failure is None else 2 if isinstance(failure, OptionsError) else 1
            worst = max(worst, status)
            if as_json:
                about: dict[str, Any] = {"input": str(image), "output": str(target)}
                about |= {} if done is None else dataclasses.asdict(done)
                verdict = {"error": failure and str(failure), "exit_status": status}
                print(json.dumps(about | verdict), flush=True)
            elif done is not None:
                _describe(done)
            if failure is not None:
                print_error(failure, None if len(jobs) == 1 else str(image))
    return worst


def _describe(done: SharpenedFile) -> None:
    """Describe a sharpened image in a few lines."""
    noise = f", noise from {' and '.join(done.halves)}" if done.halves else ""
    print(
        f"{done.output}: {done.width} x {done.height} px, {done.method}{noise}, "
        f"{done.seconds:.1f} s",
        flush=True,
    )
    print_notes(done.notes)
