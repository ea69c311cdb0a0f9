"""``skry``: the command line.

Commands only; everything heavy is imported inside a command, so that ``skry --help`` answers at
once.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, Group, Parameter

from skry_dask.cli.process import prepare
from skry_dask.cli.terminal import (
    bars_on_terminal,
    say_error,
    saying_when_compiling,
    size_in_words,
    summary_in_words,
)
from skry_dask.errors import OptionsError, SkryError, StoreError
from skry_dask.options import (
    AlignOptions,
    CalibrationOptions,
    Options,
    QualityOptions,
    ReadOptions,
    SelectOptions,
    StackOptions,
    TrackOptions,
)
from skry_dask.options.simulation import Scene, SimulateOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

app = App(
    name="skry",
    help="Lucky imaging: a telescope's video of the Sun, the Moon or a planet in, one sharp image "
    "out.",
    help_flags=["--help", "-h"],
    version_flags=["--version"],
    default_parameter=Parameter(negative=()),
)

ImageKinds: TypeAlias = Literal["tiff16", "tiff32", "png8", "png16", "bmp", "fits"]

FLAT = Parameter(name="*")
READ = Parameter(name="*", group=Group("Input", sort_key=1))
SELECT = Parameter(name="*", group=Group("Selection", sort_key=2))
CALIBRATE = Parameter(name="*", group=Group("Calibration", sort_key=3))
ALIGN_GROUP = Group("Align", sort_key=4)
ALIGN = Parameter(name="*", group=ALIGN_GROUP)
QUALITY = Parameter(name="*", group=Group("Quality", sort_key=5))
TRACK_GROUP = Group("Track", sort_key=6)
TRACK = Parameter(name="*", group=TRACK_GROUP)
STACK = Parameter(name="*", group=Group("Stack", sort_key=7))

Reading: TypeAlias = Annotated[ReadOptions, READ]
Selecting: TypeAlias = Annotated[SelectOptions, SELECT]


@app.command
def stack(
    *inputs: str,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    out_dir: Path | None = None,
    output_format: ImageKinds | None = None,
    composite: bool = False,
    table: bool = False,
    store: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    memory_limit: str | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    read: Reading = ReadOptions(),  # noqa: B008
    selection: Selecting = SelectOptions(),  # noqa: B008
    calibration: Annotated[CalibrationOptions, CALIBRATE] = CalibrationOptions(),  # noqa: B008
    align: Annotated[AlignOptions, ALIGN] = AlignOptions(),  # noqa: B008
    anchors_file: Annotated[Path | None, Parameter(group=ALIGN_GROUP)] = None,
    quality: Annotated[QualityOptions, QUALITY] = QualityOptions(),  # noqa: B008
    track: Annotated[TrackOptions, TRACK] = TrackOptions(),  # noqa: B008
    points_file: Annotated[Path | None, Parameter(group=TRACK_GROUP)] = None,
    choice: Annotated[StackOptions, STACK] = StackOptions(),  # noqa: B008
) -> int:
    """Stack captures: the whole job, one image per input.

    Results of each phase are kept in a store beside the input, and reused when nothing that they
    depend on has changed.

    Parameters
    ----------
    inputs
        Videos (SER, AVI, MP4...), folders of images, stores or their URLs; several images (BMP,
        TIFF, PNG, FITS) are the frames of one capture.
    output
        Image to write (.tif, .png, .bmp, .fits), for one input [default: INPUT-stack.tif in this
        folder].
    out_dir
        Folder for the images INPUT-stack.tif of several inputs; made if it does not exist.
    output_format
        Kind of image, whatever the suffix says.
    composite
        Also write the best-fragments composite: OUTPUT_composite.tif.
    table
        Also write a table of all frames, as Stackistry does and more: OUTPUT_frame_quality.csv,
        and one of the reference points: OUTPUT_points.csv.
    store
        Where results are kept, for one input [default: INPUT.skry beside the input].
    scheduler
        Address of a dask scheduler, such as tcp://10.0.0.5:8786 [default: threads].
    workers
        Number of threads, without a scheduler [default: one per core].
    memory_limit
        How much memory may be used, such as 2GiB or 500MB; on a cluster, by each worker [default:
        what the machine or container has].
    json_
        Print a summary as JSON, one line per input.
    anchors_file
        Text file with anchors: y and x on each line, px.
    points_file
        Text file with reference points: y and x on each line, px; such as OUTPUT_points.csv of
        --table, edited.
    """
    from skry_dask.capture.source import group_images
    from skry_dask.pipeline.run import run

    gc.freeze()
    gc.enable()
    if not inputs:
        raise OptionsError("no input is given: name a video, such as skry stack moon.ser")
    sources = group_images(inputs)
    if out_dir is not None:
        _make_folder(out_dir)
    if len(sources) > 1 and (output or store):
        flag = "--output" if output else "--store"
        raise OptionsError(f"{flag} goes with one input, {len(sources)} are given: use --out-dir")
    if output and out_dir:
        raise OptionsError("--output and --out-dir contradict each other: give one of them")
    status = 0
    for target, source in _targets(sources, output, out_dir, output_format).items():
        try:
            with saying_when_compiling(), bars_on_terminal() as report:
                result = run(
                    source,
                    output=target,
                    output_format=output_format,
                    composite=composite,
                    table=table,
                    anchors_file=anchors_file,
                    points_file=points_file,
                    store=store,
                    scheduler=scheduler,
                    workers=workers,
                    memory_limit=memory_limit,
                    progress=report,
                    options=Options(
                        read=read,
                        select=selection,
                        calibrate=calibration,
                        align=align,
                        quality=quality,
                        track=track,
                        stack=choice,
                    ),
                )
        except SkryError as error:
            status = max(status, 2 if isinstance(error, OptionsError) else 1)
            say_error(error)
            continue
        summary = result.attrs["summary"]
        print(json.dumps(summary) if json_ else summary_in_words(summary))
    return status


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made ({error.strerror}): give another --out-dir"
        ) from error


def _targets(
    sources: Sequence[str | list[str]],
    output: Path | None,
    out_dir: Path | None,
    output_format: str | None,
) -> dict[Path, str | list[str]]:
    """Name the image of each source."""
    from skry_dask.capture.source import sidecar

    suffix = SUFFIXES[output_format or "tiff16"]
    targets: dict[Path, str | list[str]] = {}
    for source in sources:
        target = output or (out_dir or Path()) / f"{sidecar(source).stem}-stack{suffix}"
        if target in targets:
            raise OptionsError(
                f"{targets[target]} and {source} would both be stacked into {target}: "
                "stack them in two calls"
            )
        targets[target] = source
    return targets


SUFFIXES = {
    "tiff16": ".tif",
    "tiff32": ".tif",
    "png8": ".png",
    "png16": ".png",
    "bmp": ".bmp",
    "fits": ".fits",
}


@app.command(name="import")
def import_(source: str, store: Path, *, read: Reading = ReadOptions()) -> int:  # noqa: B008
    """Decode a capture into a compressed, chunked store: for a cluster, or for keeping.

    Parameters
    ----------
    source
        A video, or a folder or pattern of images.
    store
        Folder to be made.
    """
    from skry_dask.capture.open import import_capture
    from skry_dask.pipeline.progress import Progress

    with bars_on_terminal() as report:
        capture = import_capture(
            source,
            store,
            read,
            progress=lambda done, total: report(Progress("import", done, total)),
        )
    print(f"{store}: {size_in_words(capture)}")
    for problem in capture.attrs["problems"]:
        print(f"  note: {problem}")
    return 0


@app.command
def info(
    source: str,
    *,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    read: Reading = ReadOptions(),  # noqa: B008
) -> int:
    """Show what is in a file: size, frames, colour, depth, times, problems found.

    Parameters
    ----------
    source
        A video, a folder or pattern of images, or a store.
    json_
        Print JSON.
    """
    from skry_dask.cli.info import inspect_capture

    found = inspect_capture(source, read)
    if json_:
        print(json.dumps(found))
        return 0
    problems = found.pop("problems")
    width = max(len(name) for name in found)
    for name, value in found.items():
        print(f"{name:{width}}  {value}")
    for problem in problems:
        print(f"{'problem':{width}}  {problem}")
    return 0


@app.command
def dark(
    source: str,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    output_format: ImageKinds | None = None,
    read: Reading = ReadOptions(),  # noqa: B008
    selection: Selecting = SelectOptions(),  # noqa: B008
) -> int:
    """Make a master dark: the mean of a video taken with the telescope covered.

    Parameters
    ----------
    source
        The video, with exposure, gain and temperature of the captures it is for.
    output
        Image to write (.tif keeps float32).
    output_format
        Kind of image, whatever the suffix says.
    """
    return _make_master(source, output, output_format, read, selection)


@app.command
def flat(
    source: str,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    dark: Path | None = None,
    output_format: ImageKinds | None = None,
    read: Reading = ReadOptions(),  # noqa: B008
    selection: Selecting = SelectOptions(),  # noqa: B008
) -> int:
    """Make a master flat: the mean of a video of an evenly lit field.

    Parameters
    ----------
    source
        The video.
    output
        Image to write (.tif keeps float32).
    dark
        Master dark of the flat's own exposure, to be subtracted.
    output_format
        Kind of image, whatever the suffix says.
    """
    return _make_master(source, output, output_format, read, selection, flat=True, dark=dark)


def _make_master(
    source: str,
    output: Path,
    output_format: str | None,
    read: ReadOptions,
    selection: SelectOptions,
    *,
    flat: bool = False,
    dark: Path | None = None,
) -> int:
    from skry_dask.pipeline.masters import make_master

    with bars_on_terminal() as report:
        made = make_master(
            source,
            output,
            flat=flat,
            dark=dark,
            output_format=output_format,
            read=read,
            selection=selection,
            progress=report,
        )
    master = made["master"]
    print(
        f"{output}: master {'flat' if flat else 'dark'}, {master.sizes['x']} x "
        f"{master.sizes['y']} px, mean of {int(made['n_frames'])} frames, "
        f"{float(master.mean()):.4f} of full scale"
    )
    for note in made.attrs["problems"]:
        print(f"  note: {note}")
    return 0


@app.command
def simulate(
    scene: Scene,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    options: Annotated[SimulateOptions, FLAT] = SimulateOptions(),  # noqa: B008
) -> int:
    """Simulate a capture whose truth is known.

    The truth goes beside it: moon.ser and moon.truth.npz.

    Parameters
    ----------
    scene
        What the telescope sees.
    output
        Video to write (.ser or .avi).
    """
    from skry_dask.pipeline.progress import Progress
    from skry_dask.simulation.simulate import simulate as simulate_capture
    from skry_dask.simulation.simulate import write_capture, write_truth

    capture = simulate_capture(scene, options)
    with bars_on_terminal() as report:
        write_capture(
            output,
            capture,
            progress=lambda done: report(Progress("simulate", done, options.frames)),
        )
        truth = write_truth(output, capture)
    print(f"{output}: {size_in_words(capture)}")
    print(f"{truth}: what was simulated")
    return 0


@app.command
def demo(*, out_dir: Path = Path("skry-demo"), frames: int = 200) -> int:
    """Simulate a capture, stack it, and compare the stack and the best frame with the truth.

    Parameters
    ----------
    out_dir
        Folder for the results; made if it does not exist.
    frames
        How many frames to simulate.
    """
    from skry_dask.cli.demo import run_demo

    with saying_when_compiling(), bars_on_terminal() as report:
        lines = run_demo(out_dir, frames, report)
    print("\n".join(lines))
    return 0


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage."""
    prepare()
    try:
        status = app(sys.argv[1:], exit_on_error=True, result_action="return_value")
    except OptionsError as error:
        say_error(error)
        sys.exit(2)
    except SkryError as error:
        say_error(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        print("skry: interrupted; phases that were complete are kept", file=sys.stderr)
        sys.exit(130)
    sys.exit(status or 0)


def start() -> None:
    """Run the command line as a program, and exit at once: see `leave`."""
    try:
        main()
    except SystemExit as stop:
        leave(stop.code if isinstance(stop.code, int) else int(stop.code is not None))


def leave(status: int) -> None:
    """Exit without taking Python apart, which takes 0.07 s: all files are closed by now."""
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or 1
    os._exit(status)
