"""Exceptions.

A message is one line: what is wrong, where (file, frame), the value received, and the remedy. The
command line prints it as it is.
"""


class SkryError(Exception):
    """Base of every error that this package raises on purpose.

    Examples
    --------
    >>> import skry_dask as skry
    >>> try:
    ...     skry.open_capture("mars.ser")
    ... except skry.SkryError as error:
    ...     print(error)
    cannot read mars.ser: No such file or directory; check the path
    """


class ReaderError(SkryError):
    """A file cannot be read as a capture.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.open_capture("mars.ser")
    Traceback (most recent call last):
    ...
    skry_dask.errors.ReaderError: cannot read mars.ser: No such file or directory; check the path
    """


class OptionsError(SkryError, ValueError):
    """An option or argument is not what it has to be, or options contradict each other.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.simulate("moon", frmes=3)
    Traceback (most recent call last):
    ...
    skry_dask.errors.OptionsError: simulate has no option frmes: did you mean frames?
    """


class StoreError(SkryError):
    """A store or an output cannot be written, or does not hold what it should.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.open_results("mars.skry")["stack"]  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    skry_dask.errors.StoreError: mars.skry: there is no such store: give that of a capture
    """


class BudgetError(SkryError):
    """A job does not fit the memory that it may use.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.run("moon.ser", memory_limit="1 MB", workers=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    skry_dask.errors.BudgetError: stacking 16 frames of 200 x 160 px on ... threads needs up to ...
    """


class AlignmentError(SkryError):
    """Too few frames could be aligned for the job to go on.

    Examples
    --------
    >>> import numpy as np
    >>> import skry_dask as skry
    >>> import xarray as xr
    >>> black = xr.Dataset({"frames": (("frame", "y", "x"), np.zeros((3, 96, 96), np.uint8))})
    >>> skry.estimate_quality(black, skry.align(black))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    skry_dask.errors.AlignmentError: the capture: no frame could be aligned (3 nothing to see): ...
    """


class ClusterError(SkryError):
    """A cluster does not answer, has no workers that can do the job, or has lost them."""
