"""What became of one capture of several.

Annotations are no strings here: documentation reads those of a named tuple as they are.
"""

from typing import Any, NamedTuple

from skry_dask.errors import SkryError
from skry_dask.pipeline.batch_plan import StackJob


class Outcome(NamedTuple):
    """What became of one capture.

    Parameters
    ----------
    job
        The capture, and its image.
    summary
        `Summary` as a dict; None if the job failed.
    error
        Why it failed, or None.

    Examples
    --------
    >>> import skry_dask as skry
    >>> for outcome in skry.run_many(["a.ser"], out_dir="stacks", quick=True):
    ...     print(outcome.job.name, outcome.error)
    a.ser None
    """

    job: StackJob
    summary: dict[str, Any] | None
    error: SkryError | None
