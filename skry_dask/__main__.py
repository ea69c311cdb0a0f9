"""``python -m skry_dask``: the command line, for systems where ``skry`` is not on the path."""

from skry_dask.cli.main import start

if __name__ == "__main__":
    start()
