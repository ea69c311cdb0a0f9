"""Damaged files, and limits on what reading them may cost."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.errors import ReaderError

MEGABYTE = 1 << 20

# The headers of an empty file, of one that is too large and of one that lies hold such numbers.
EXTREME_NUMBERS = (
    0, 1, 2, 3, 7, 8, 16, 24, 32, 100, 101, 255, 256, 2890, 16384, 65535, 2**20, 2**24, 2**27,
    2**31 - 1, 2**31, 2**32 - 9, 2**32 - 1,
)  # fmt: skip


def examples(n: int) -> settings:
    """Settings of a test that reads damaged files."""
    return settings(
        max_examples=n,
        deadline=None,
        # All examples of a test share one folder: each of them overwrites its file.
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def overwrite(path: Path, content: bytes) -> None:
    """Replace the content of a file.

    Deleting it first takes 30 us instead of 1.5 ms: ext4 writes a file to the disk at once when it
    was emptied before.
    """
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def assert_clear(error: ReaderError, path: Path) -> None:
    """The error is one line and names the file."""
    assert "\n" not in str(error)
    assert str(path) in str(error)


@contextmanager
def limited_memory(n_bytes: int) -> Iterator[None]:
    """The block takes no more memory than that at its peak, of Python or of a library.

    Checked where the kernel counts the memory of a process and forgets its peak if asked (Linux).
    """
    gc.collect()
    if not forget_peak():
        yield
        return
    before = _process_memory("VmRSS")
    yield
    assert _process_memory("VmHWM") - before <= n_bytes


def forget_peak() -> bool:
    """Let the kernel measure the peak of this process anew; False where it cannot be asked to."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _process_memory(line_name: str) -> int:
    """A figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(line_name))
