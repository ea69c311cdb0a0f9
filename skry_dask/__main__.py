"""``python -m skry_dask``: the command line, where ``skry`` is not on the path."""

from skry_dask.cli.main import start

start()
