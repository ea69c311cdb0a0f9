"""``skry``: the command line.

Commands only; everything heavy is imported inside a command, so that ``skry --help`` answers at
once. Progress goes to standard error, results to standard output.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Group, Parameter

from skry_dask.errors import OptionsError, SkryError
from skry_dask.options import (
    AlignOptions,
    Options,
    QualityOptions,
    StackOptions,
    TrackOptions,
)
from skry_dask.scene import Scene, SimulateOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skry_dask.pipeline import Progress

app = App(
    name="skry",
    help="Lucky imaging: a telescope's video of the Sun, the Moon or a planet in, one sharp image "
    "out.",
    help_flags=["--help", "-h"],
    version_flags=["--version"],
    default_parameter=Parameter(negative=()),
)

FLAT = Parameter(name="*")
ALIGN = Group("Align", sort_key=1)
QUALITY = Group("Quality", sort_key=2)
TRACK = Group("Track", sort_key=3)
STACK = Group("Stack", sort_key=4)


@app.command
def stack(
    *inputs: Path,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    out_dir: Path | None = None,
    output_format: Literal["tiff16", "tiff32", "png16"] | None = None,
    store: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    json_: Annotated[bool, Parameter(name="--json")] = False,
    align: Annotated[AlignOptions, Parameter(name="*", group=ALIGN)] = AlignOptions(),  # noqa: B008
    quality: Annotated[QualityOptions, Parameter(name="*", group=QUALITY)] = QualityOptions(),  # noqa: B008
    track: Annotated[TrackOptions, Parameter(name="*", group=TRACK)] = TrackOptions(),  # noqa: B008
    select: Annotated[StackOptions, Parameter(name="*", group=STACK)] = StackOptions(),  # noqa: B008
) -> int:
    """Stack captures: the whole job, one image per input.

    Results of each phase are kept in a store beside the input, and reused when nothing that they
    depend on has changed.

    Parameters
    ----------
    inputs
        Videos (SER, AVI, MP4...) or stores.
    output
        Image to write (.tif or .png), for one input [default: INPUT-stack.tif in this folder].
    out_dir
        Folder for the images INPUT-stack.tif of several inputs.
    output_format
        Kind of image, whatever the suffix says.
    store
        Where results are kept, for one input [default: INPUT.skry beside the input].
    scheduler
        Address of a dask scheduler, such as tcp://10.0.0.5:8786 [default: threads].
    workers
        Number of threads, without a scheduler [default: one per core].
    json_
        Print a summary as JSON, one line per input.
    """
    from skry_dask.pipeline import run

    if not inputs:
        raise OptionsError("no input is given: name a video, such as skry stack moon.ser")
    if len(inputs) > 1 and (output or store):
        flag = "--output" if output else "--store"
        raise OptionsError(f"{flag} goes with one input, {len(inputs)} are given: use --out-dir")
    if output and out_dir:
        raise OptionsError("--output and --out-dir contradict each other: give one of them")
    suffix = ".png" if output_format == "png16" else ".tif"
    targets: dict[Path, Path] = {}
    for path in inputs:
        target = output or (out_dir or Path()) / f"{path.stem}-stack{suffix}"
        if target in targets:
            raise OptionsError(
                f"{targets[target]} and {path} would both be stacked into {target}: "
                "stack them in two calls"
            )
        targets[target] = path
    status = 0
    for target, path in targets.items():
        try:
            with _bars() as report:
                result = run(
                    path,
                    output=target,
                    output_format=output_format,
                    store=store,
                    scheduler=scheduler,
                    workers=workers,
                    progress=report,
                    options=Options(align=align, quality=quality, track=track, stack=select),
                )
        except SkryError as error:
            status = max(status, 2 if isinstance(error, OptionsError) else 1)
            _say_error(error)
            continue
        summary = result.attrs["summary"]
        print(json.dumps(summary) if json_ else _in_words(summary))
    return status


@app.command(name="import")
def import_(source: Path, store: Path) -> int:
    """Decode a capture into a compressed, chunked store: for a cluster, or for keeping.

    Parameters
    ----------
    source
        A video.
    store
        Folder to be made.
    """
    from skry_dask.capture import import_capture
    from skry_dask.pipeline import Progress

    with _bars() as report:
        capture = import_capture(
            source, store, progress=lambda done, total: report(Progress("import", done, total))
        )
    print(f"{store}: {_size_in_words(capture)}")
    for problem in capture.attrs["problems"]:
        print(f"  note: {problem}")
    return 0


@app.command
def info(source: Path, *, json_: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Show what is in a file: size, frames, depth, times, problems found.

    Parameters
    ----------
    source
        A video or a store.
    json_
        Print JSON.
    """
    from skry_dask.capture import inspect_capture

    found = inspect_capture(source)
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
    from skry_dask.pipeline import Progress
    from skry_dask.simulate import simulate as simulate_capture
    from skry_dask.simulate import write_capture, write_truth

    capture = simulate_capture(scene, options)
    with _bars() as report:
        write_capture(
            output,
            capture,
            progress=lambda done: report(Progress("simulate", done, options.frames)),
        )
        truth = write_truth(output, capture)
    print(f"{output}: {_size_in_words(capture)}")
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
    from skry_dask.demo import run_demo

    with _bars() as report:
        lines = run_demo(out_dir, frames, report)
    print("\n".join(lines))
    return 0


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage."""
    try:
        status = app(sys.argv[1:], exit_on_error=True, result_action="return_value")
    except OptionsError as error:
        _say_error(error)
        sys.exit(2)
    except SkryError as error:
        _say_error(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        print("skry: interrupted; phases that were complete are kept", file=sys.stderr)
        sys.exit(130)
    sys.exit(status or 0)


def _say_error(error: SkryError) -> None:
    print(f"skry: {error}", file=sys.stderr)


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[Progress], None]]:
    """Progress bars on standard error, when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = ("[progress.description]{task.description:>8}", BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(event: Progress) -> None:
            if event.phase not in tasks:
                tasks[event.phase] = bars.add_task(event.phase, total=event.total)
            bars.update(tasks[event.phase], completed=event.done, total=event.total)

        yield report


def _in_words(summary: dict[str, Any]) -> str:
    region = summary["region"]
    phases = ", ".join(
        f"{name} {'reused' if p['status'] == 'reused' else format(p['seconds'], '.1f') + ' s'}"
        for name, p in summary["phases"].items()
    )
    lines = [
        f"{summary['output']}: {region['width']} x {region['height']} px from "
        f"{summary['active_frames']} of {summary['frames']} frames, {summary['points']} points",
        f"  {phases}; {summary['seconds']:.1f} s in all, "
        f"{summary['peak_memory_mib']:.0f} MiB at most",
        *(f"  note: {note}" for note in summary["notes"]),
    ]
    return "\n".join(lines)


def _size_in_words(capture: Any) -> str:
    frames = capture["frames"]
    n_frames, height, width = frames.shape
    return f"{n_frames} frames of {width} x {height} px, {frames.dtype.name}"


if __name__ == "__main__":
    main()
