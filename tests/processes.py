"""What processes of the command line have to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines on standard error, but that which says that kernels are compiled first."""
    return [line for line in done.stderr.splitlines() if "first run: compiling" not in line]
