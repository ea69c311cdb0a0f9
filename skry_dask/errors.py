"""Exceptions.

A message is one line: what is wrong, where (file, frame), the value received, and the remedy. The
command line prints it as it is.
"""


class SkryError(Exception):
    """Base of every error that this package raises on purpose."""


class ReaderError(SkryError):
    """A file cannot be read as a capture."""


class OptionsError(SkryError, ValueError):
    """An option has a value outside its range, or options contradict each other."""


class StoreError(SkryError):
    """A store or an output cannot be written, or does not hold what it should."""


class BudgetError(SkryError):
    """A job does not fit the memory that it may use."""


class AlignmentError(SkryError):
    """Too few frames could be aligned for the job to go on."""


class ClusterError(SkryError):
    """A cluster does not answer, has no workers that can do the job, or has lost them."""
