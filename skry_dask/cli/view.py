"""``skry view``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 flags are read from annotations
from typing import Annotated, Any

from cyclopts import Parameter, validators

from skry_dask.cli.flags import ALIGN_GROUP, OUTPUT, PHASES, TRACK_GROUP, Place
from skry_dask.cli.phase_flags import PhaseFlags
from skry_dask.cli.process import importing, release_freed_memory
from skry_dask.cli.terminal import progress_bars, reporting
from skry_dask.errors import SkryError
from skry_dask.options import Options
from skry_dask.options.outputs import OutputOptions


def view(
    source: str,
    /,
    *,
    options_file: Annotated[Path | None, Parameter(name="--options")] = None,
    port: Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=65535))] = None,
    no_open: bool = False,
    out_dir: Path | None = None,
    store: Place | None = None,
    workers: int | None = None,
    memory_limit: str | None = None,
    outputs: Annotated[OutputOptions, OUTPUT] = OutputOptions(),  # noqa: B008
    phases: Annotated[PhaseFlags, PHASES] = PhaseFlags(),  # noqa: B008
    anchors_file: Annotated[Path | None, Parameter(group=ALIGN_GROUP)] = None,
    points_file: Annotated[Path | None, Parameter(group=TRACK_GROUP)] = None,
) -> int:
    """Look at a capture, choose, and stack it, on a page in the browser; Ctrl-C ends it.

    Step through raw and stabilised frames, switch frames off on the graph of their quality, place
    anchors and reference points, draw the region, run the job, and save the image and the options,
    which ``skry stack --options FILE`` reads. The page is for this machine only, and for whoever
    has the token in its address.

    Parameters
    ----------
    source
        A video, a folder or pattern of images, or a store.
    options_file
        File with options to begin with, as --save-options or the page writes it; flags win over it
        [default: the options of the newest finished job of the capture].
    port
        Number of the port of this machine [default: one that is free].
    no_open
        Print the address, and leave it to you to open it in a browser.
    out_dir
        Folder for images and options that the page saves [default: the current folder].
    store
        Folder in which results are kept, or its URL [default: INPUT.skry beside the input].
    workers
        Number of threads [default: one per core].
    memory_limit
        How much memory jobs may use, such as 2GiB or 500MB [default: what the machine has].
    anchors_file
        Text file with anchors: y and x on each line, px.
    points_file
        Text file with reference points: y and x on each line, px.
    """
    ViewServer, listen = _server()
    listening = listen(port or 0)
    with importing():
        from skry_dask.cli.inputs import expand_input
        from skry_dask.pipeline.given_positions import with_positions
        from skry_dask.view.session import Machine, ViewSession

    options = with_positions(phases.options, anchors_file, points_file)
    is_given = options_file is not None or options != Options()
    with reporting(), progress_bars() as bars:
        session = ViewSession(
            expand_input(source),
            options=options if is_given else None,
            outputs=outputs,
            store=store,
            out_dir=out_dir,
            machine=Machine(
                workers=workers, memory_limit=memory_limit, after_compute=release_freed_memory
            ),
            progress=bars.report,
        )
    server = ViewServer(session, listening)
    print(f"{session.name}: {server.url} (Ctrl-C ends it)", flush=True)
    if not no_open:
        import webbrowser

        webbrowser.open(server.url)
    server.run()
    return 0


def _server() -> tuple[Any, Any]:
    """Import the server, which needs Panel.

    Raises
    ------
    SkryError
        If Panel is not installed.
    """
    try:
        with importing():
            from skry_dask.view.server import ViewServer, listen
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("panel", "bokeh", "tornado"):
            raise
        raise SkryError(
            f"skry view needs {error.name}, which is not installed: pip install 'skry_dask[view]'"
        ) from error
    return ViewServer, listen
