"""``skry``: the commands, their flags and their help.

Each command imports what it needs when it runs, so that ``skry --help`` answers at once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from skry_dask.cli.animate import animate
from skry_dask.cli.combine import combine
from skry_dask.cli.compile import compile_kernels
from skry_dask.cli.derotate import derotate
from skry_dask.cli.flags import (
    ALIGN_GROUP,
    MESSAGES,
    OUTPUT,
    PHASES,
    TRACK_GROUP,
    AsJson,
    ImageKinds,
    Output,
    Place,
    Reading,
    Selecting,
    shown_default,
)
from skry_dask.cli.interruption import interruption
from skry_dask.cli.messages import MessageOptions
from skry_dask.cli.phase_flags import PhaseFlags
from skry_dask.cli.presets import apply_options_file
from skry_dask.cli.process import importing
from skry_dask.cli.report import write_report
from skry_dask.cli.sharpen import sharpen
from skry_dask.cli.simulation import write_simulation
from skry_dask.cli.terminal import (
    describe_frames,
    print_error,
    print_notes,
    progress_bars,
    reporting,
)
from skry_dask.cli.timelapse import timelapse
from skry_dask.cli.usage import parse
from skry_dask.cli.view import view
from skry_dask.errors import OptionsError, SkryError
from skry_dask.options import (
    ReadOptions,
    SelectOptions,
)
from skry_dask.options.outputs import OutputOptions
from skry_dask.pipeline.options_file import write_options

if TYPE_CHECKING:
    from collections.abc import Sequence

app = App(
    name="skry",
    help="""Lucky imaging: from a telescope's video of the Sun, the Moon or a planet to one sharp
    image.

    ``skry demo`` shows it without a video of yours, ``skry stack moon.ser`` makes moon-stack.tif,
    and ``skry stack --help`` explains every option.""",
    help_flags=["--help", "-h"],
    version_flags=["--version"],
    default_parameter=Parameter(negative=(), show_default=shown_default),
    config=apply_options_file,
)
app.register_install_completion_command(
    help="Let the shell complete commands and flags of skry with the Tab key (bash, zsh, fish)."
)


@app.command(sort_key=0, usage="Usage: skry stack INPUT... [OPTIONS]")
def stack(
    *inputs: str,
    output: Annotated[Place | None, Parameter(alias="-o")] = None,
    out_dir: Place | None = None,
    options_file: Annotated[Path | None, Parameter(name="--options")] = None,
    save_options: Path | None = None,
    store: Place | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    processes: int | None = None,
    wait_workers: float | None = None,
    memory_limit: str | None = None,
    overwrite: bool = False,
    allow_few: bool = False,
    json_: AsJson = False,
    messages: Annotated[MessageOptions, MESSAGES] = MessageOptions(),  # noqa: B008
    outputs: Annotated[OutputOptions, OUTPUT] = OutputOptions(),  # noqa: B008
    phases: Annotated[PhaseFlags, PHASES] = PhaseFlags(),  # noqa: B008
    anchors_file: Annotated[Path | None, Parameter(group=ALIGN_GROUP)] = None,
    points_file: Annotated[Path | None, Parameter(group=TRACK_GROUP)] = None,
) -> int:
    """Stack captures: the whole job, one image for each capture.

    The results of each phase are kept in a store beside the capture, and reused as long as nothing
    that they depend on has changed. After an interruption, the same command continues. One failure
    does not stop the captures after it; the exit status is the worst of all.

    Parameters
    ----------
    inputs
        Videos (SER, AVI, MP4...), folders of videos or of images, patterns such as "night/*.ser",
        stores; URLs of stores and of SER and AVI videos (s3://, gs://, https://). Several single
        images (BMP, TIFF, PNG, JPEG, FITS) are the frames of one capture.
    output
        Image to write (.tif, .png, .bmp, .fits), or its URL, for one capture; of several
        percentages a pattern such as moon-{percent}.tif, or moon.tif for moon-p5.tif... [default:
        INPUT-stack.tif in the current folder].
    out_dir
        Folder for the images INPUT-stack.tif, created if it does not exist.
    options_file
        File with options, as --save-options writes it; flags win over it.
    save_options
        Write all options into this file (.toml), for --options; without an input that is all.
    store
        Folder in which results are kept, or its URL, for one capture [default: INPUT.skry beside
        the input].
    scheduler
        Address of a dask scheduler, such as tcp://10.0.0.5:8786 [default: threads of this process].
    workers
        Number of threads, without a scheduler [default: one per core; of each of several
        processes one].
    processes
        Compute in this number of processes, a cluster on this machine that is closed at the end
        [default: threads of this process].
    wait_workers
        How many seconds to wait for workers of a cluster that has none [default: 5, and 10 when all
        are lost].
    memory_limit
        How much memory may be used, such as 2GiB or 500MB; on a cluster, by each worker [default:
        what the machine or container has].
    overwrite
        Replace images that were made with other options, or of another capture. Without it, nothing
        is stacked then; an image that --output names is replaced, with a note.
    allow_few
        Exit with status 0 even if fewer than half of the frames could be aligned.
    json_
        Print a summary as JSON, one line per capture as soon as it is finished; a line for one that
        failed, too: "error" and "exit_status" say why.
    anchors_file
        Text file with anchors: y and x on each line, px.
    points_file
        Text file with reference points: y and x on each line, px; such as OUTPUT_points.csv of
        --table, edited.
    """
    with importing():
        from skry_dask.cli.inputs import plan_jobs
        from skry_dask.cli.stacking import refusing, stack_each
        from skry_dask.pipeline.given_positions import with_positions
    options = phases.options
    if save_options is not None:
        resolved = with_positions(options, anchors_file, points_file)
        write_options(save_options, *resolved.of_phases, outputs)
        if not inputs:
            return 0
    with refusing(inputs, as_json=json_):
        jobs = plan_jobs(
            inputs, output=output, out_dir=out_dir, outputs=outputs, store=store, options=options
        )
        return stack_each(
            jobs,
            as_json=json_,
            allow_few=allow_few,
            saying_what=messages,
            **outputs.arguments,
            anchors_file=anchors_file,
            points_file=points_file,
            store=store,
            scheduler=scheduler,
            workers=workers,
            processes=processes,
            wait_workers=wait_workers,
            memory_limit=memory_limit,
            overwrite=overwrite,
            is_named=output is not None,
            options=options,
        )


@app.command(sort_key=1)
def demo(*, out_dir: Path = Path("skry-demo"), frames: int = 200) -> int:
    """Simulate a capture, stack it, and compare the stack and the best frame with the truth.

    Parameters
    ----------
    out_dir
        Folder for the results, created if it does not exist.
    frames
        Number of frames to simulate.
    """
    with importing():
        from skry_dask.cli.demo import run_demo

    with reporting(), progress_bars() as bars:
        lines = run_demo(out_dir, frames, bars.report)
    print("\n".join(lines))
    return 0


@app.command(sort_key=2)
def info(source: str, /, *, json_: AsJson = False, read: Reading = ReadOptions()) -> int:  # noqa: B008
    """Show what is in a file: size, frames, colour, depth, times, problems found.

    Parameters
    ----------
    source
        A video, a folder or pattern of images, or a store.
    json_
        Print JSON.
    """
    with importing():
        from skry_dask.cli.info import inspect_capture
        from skry_dask.cli.inputs import expand_input

    found = inspect_capture(expand_input(source), read)
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


@app.command(name="import", sort_key=3)
def import_(source: str, store: Place, /, *, read: Reading = ReadOptions()) -> int:  # noqa: B008
    """Decode a capture into a compressed, chunked store: for a cluster, or for keeping.

    After an interruption, the same command continues.

    Parameters
    ----------
    source
        A video, or a folder or pattern of images.
    store
        Folder to create, such as moon.skry, or its URL, such as s3://bucket/moon.skry.
    """
    with importing():
        from skry_dask.capture.open import import_capture
        from skry_dask.cli.inputs import expand_input
        from skry_dask.pipeline.progress import Progress

    with reporting(), progress_bars() as bars:
        capture = import_capture(
            expand_input(source),
            store,
            read,
            progress=lambda done, total: bars.report(Progress("import", done, total)),
        )
    print(f"{store}: {describe_frames(capture)}")
    print_notes(capture.attrs["problems"])
    return 0


@app.command(sort_key=4)
def dark(
    source: str,
    /,
    *,
    output: Output,
    output_format: ImageKinds | None = None,
    read: Reading = ReadOptions(),  # noqa: B008
    selection: Selecting = SelectOptions(),  # noqa: B008
) -> int:
    """Make a master dark: the mean of a video taken with the telescope covered.

    Parameters
    ----------
    source
        Video with the exposure, gain and temperature of the captures that the dark is for.
    output
        Image to write; .tif keeps float32.
    output_format
        Kind of image [default: that of the suffix].
    """
    with importing():
        from skry_dask.cli.masters import write_master
    return write_master(source, output, output_format, read, selection)


@app.command(sort_key=5)
def flat(
    source: str,
    /,
    *,
    output: Output,
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
        Image to write; .tif keeps float32.
    dark
        Master dark with the exposure of the flat, which is subtracted.
    output_format
        Kind of image [default: that of the suffix].
    """
    with importing():
        from skry_dask.cli.masters import write_master
    return write_master(source, output, output_format, read, selection, flat=True, dark=dark)


app.command(sharpen, sort_key=1, usage="Usage: skry sharpen IMAGE... [OPTIONS]")
app.command(
    combine,
    sort_key=1,
    usage="Usage: skry combine RED GREEN BLUE [LUMINANCE] -o IMAGE [OPTIONS]",
)
app.command(timelapse, sort_key=1, usage="Usage: skry timelapse INPUT... -o MOVIE [OPTIONS]")
app.command(animate, sort_key=1, usage="Usage: skry animate INPUT -o MOVIE [OPTIONS]")
app.command(derotate, sort_key=1, usage="Usage: skry derotate IMAGE... [OPTIONS]")
app.command(write_simulation, name="simulate", sort_key=6)
app.command(write_report, name="report", sort_key=7)
app.command(view, sort_key=1, usage="Usage: skry view INPUT [OPTIONS]")
app.command(compile_kernels, name="compile", sort_key=8)


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        Words of the command line, without the program's name.

    Returns
    -------
    Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C. As a program, it exits
    with 143 when the system asks it to end; see `skry_dask.cli.interruption`.
    """
    try:
        return parse(app, arguments)() or 0
    except SkryError as error:
        print_error(error)
        return 2 if isinstance(error, OptionsError) else 1
    except BrokenPipeError:  # the reader of the output, such as head, has had enough
        return 1
    except KeyboardInterrupt:
        print(f"skry: {interruption(arguments)}", file=sys.stderr)
        return 130
