"""``skry report``."""

from __future__ import annotations

from skry_dask.cli.flags import Output, Place  # noqa: TC001 flags are read from annotations
from skry_dask.cli.process import importing
from skry_dask.cli.terminal import reporting


def write_report(
    source: str, /, *, output: Output | None = None, store: Place | None = None
) -> int:
    """Write a report on the newest job of a capture: one HTML file, which opens offline.

    It compares the stack with the best frame, and shows drift, quality, reference points, the warp
    of the air, frames that are left out and why, timings and all options.

    Parameters
    ----------
    source
        A capture that was stacked, or its store.
    output
        File to write (.html), or its URL [default: INPUT-report.html in the current folder].
    store
        Where the results are kept [default: INPUT.skry beside the input].
    """
    with importing():
        from skry_dask.pipeline.report import report
    with reporting():
        print(report(source, output, store=store))
    return 0
