"""The newest finished job of a capture: its options, with which a session begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.errors import SkryError
from skry_dask.pipeline.job_record import read_record
from skry_dask.store.results.owner import owner_of
from skry_dask.store.results.reading import open_results

if TYPE_CHECKING:
    from skry_dask.capture.source import Source
    from skry_dask.io.remote import Location
    from skry_dask.options import Options


def options_of_newest_job(source: Source, store: Location) -> Options | None:
    """Find the options of the newest finished job.

    Parameters
    ----------
    source
        The capture.
    store
        Where its results are kept; need not exist.

    Returns
    -------
    None if there is no finished job, or the capture has changed since, or the program's options.
    """
    owner = owner_of(store)
    if owner is not None and owner.digest != source.digest:
        return None
    try:
        return read_record(open_results(str(store))).all_options()
    except SkryError:
        return None
