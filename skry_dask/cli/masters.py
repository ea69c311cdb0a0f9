"""``skry dark`` and ``skry flat``: master images from videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.cli.inputs import expand_input
from skry_dask.cli.terminal import print_notes, progress_bars, reporting
from skry_dask.pipeline.masters import make_master

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.io.remote import Location
    from skry_dask.options import ReadOptions, SelectOptions


def write_master(
    source: str,
    output: Location,
    output_format: str | None,
    read: ReadOptions,
    selection: SelectOptions,
    *,
    flat: bool = False,
    dark: Path | None = None,
) -> int:
    """Make a master from a video, write it, and print what it is.

    Parameters
    ----------
    source
        A video, or a folder or pattern of images.
    output, output_format, read, selection, flat, dark
        See `make_master`.

    Returns
    -------
    Exit status: 0.
    """
    with reporting(), progress_bars() as bars:
        made = make_master(
            expand_input(source),
            output,
            flat=flat,
            dark=dark,
            output_format=output_format,
            read=read,
            selection=selection,
            progress=bars.report,
        )
    master = made["master"]
    print(
        f"{output}: master {'flat' if flat else 'dark'}, {master.sizes['x']} x "
        f"{master.sizes['y']} px, mean of {int(made['n_frames'])} frames, "
        f"{float(master.mean()):.4f} of full scale"
    )
    print_notes(made.attrs["problems"])
    return 0
