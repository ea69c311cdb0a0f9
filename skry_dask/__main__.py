"""``skry`` and ``python -m skry_dask``: the command line as a program."""

import sys


def start() -> None:
    """Run the command line, and exit."""
    from skry_dask.cli.interruption import exit_on_signals
    from skry_dask.cli.process import configure_process, exit_at_once

    configure_process()  # before the first thread
    exit_on_signals(sys.argv[1:])
    from skry_dask.cli.main import main

    exit_at_once(main(sys.argv[1:]))


if __name__ == "__main__":
    start()
