"""The version of the installed package."""

from importlib.metadata import version

__version__ = version("skry_dask")
"""As in the package's metadata."""
