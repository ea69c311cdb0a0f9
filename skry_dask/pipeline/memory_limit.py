"""The memory limit of this process, and its peak memory.

Figures come from `psutil`, which knows Linux, macOS and Windows. A container has less than its
machine: on Linux the control groups (cgroups) say how much, in version 1 and 2. Groups are nested,
as in Kubernetes, where a pod's limit may be below that of its container, so the limits of all
groups above the process's own count as well.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import psutil
from dask.utils import parse_bytes

from skry_dask.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 2**20

OWN_CGROUPS = Path("/proc/self/cgroup")
"""Lines ``number:controllers:path`` on Linux; version 2 is number 0 and names no controllers."""

CGROUP_ROOT = Path("/sys/fs/cgroup")
"""Where Linux distributions and container runtimes mount cgroups."""

OWN_STATUS = Path("/proc/self/status")

SAMPLE_SECONDS = 0.02
"""How often `PeakMemory` looks where the system does not record the peak itself."""


class Limit(NamedTuple):
    """How much memory may be used.

    Parameters
    ----------
    size
        Bytes, of one process.
    origin
        Who sets the limit, in words that are followed by the size: "this machine has".
    n_processes
        Number of processes that share this memory.
    """

    size: int
    origin: str
    n_processes: int = 1

    def shared(self, n_processes: int) -> Limit:
        """Divide it among processes."""
        return Limit(self.size // n_processes, self.origin, n_processes)


def parse_size(size: str | float) -> int:
    """Convert a size in words to bytes.

    Parameters
    ----------
    size
        A number of bytes, or a string such as "2 GB" (10**9 bytes each), "1.5GiB" (2**30), "500M".

    Raises
    ------
    OptionsError
        If it is anything else, or less than a byte.
    """
    try:
        # "GiB" alone is one GiB to dask.
        n_bytes = parse_bytes(size) if any(c.isdigit() for c in str(size)) else 0
    except (ValueError, OverflowError):
        n_bytes = 0
    if n_bytes < 1:
        raise OptionsError(
            f"memory_limit is {size!r}: it must be a size such as 2GiB, '500 MB' or a number of "
            "bytes"
        )
    return n_bytes


def in_mib(size: int) -> str:
    """Write a size in MiB, rounded up, as `parse_size` reads it."""
    return f"{-(-size // MIB)}MiB"


def machine_limit() -> Limit:
    """Find how much memory this process can have: the machine's, or its container's."""
    limits = [Limit(psutil.virtual_memory().total, "this machine has")]
    limits += [Limit(size, "this container may use") for size in _cgroup_limits()]
    return min(limits)


def _cgroup_limits() -> Iterator[int]:
    """Read the limits of this process's cgroups and of all groups above them, bytes."""
    try:
        groups = OWN_CGROUPS.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts, name = [CGROUP_ROOT, CGROUP_ROOT / "unified"], "memory.max"
        elif "memory" in controllers.split(","):
            mounts, name = [CGROUP_ROOT / "memory"], "memory.limit_in_bytes"
        else:
            continue
        # A container may see the path that its group has on the host, where only the last of these
        # folders exists; a path that leaves the container's own groups begins with "..".
        own = PurePosixPath(*(folder for folder in path.split("/") if folder not in ("", "..")))
        for mount in mounts:
            for group in (own, *own.parents):
                try:
                    yield int((mount / group / name).read_text())
                except (OSError, ValueError):  # there is none, or it says "max"
                    continue


class SharedMemory:
    """Memory that several jobs share: a job waits until what it needs is free.

    Jobs are served in the order in which they ask. A job that needs more than all of it runs alone.

    Examples
    --------
    >>> from skry_dask.pipeline.memory_limit import SharedMemory
    >>> memory = SharedMemory()
    >>> with memory.taken(600, limit=1000), memory.taken(400, limit=1000):
    ...     pass
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._taken: list[int] = []

    @contextlib.contextmanager
    def taken(self, size: int, limit: int | None) -> Iterator[None]:
        """Wait for memory, and hold it while the context lasts.

        Parameters
        ----------
        size
            Bytes.
        limit
            How much all jobs may have together, bytes; None = no limit.
        """

        def fits() -> bool:
            return not self._taken or limit is None or sum(self._taken) + size <= limit

        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and fits())
                self._taken.append(size)
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(size)
                self._changed.notify_all()


class PeakMemory:
    """Peak memory of this process: the largest resident set, physical memory in use at a time.

    Linux and Windows record it from the start of the process. Elsewhere (macOS) it is the largest
    of samples taken every 20 ms while this context lasts.

    Examples
    --------
    >>> from skry_dask.pipeline.memory_limit import PeakMemory
    >>> with PeakMemory() as peak:
    ...     squares = [number**2 for number in range(1000)]
    >>> peak.size > 2**20
    True
    """

    def __init__(self) -> None:
        self._sampled = 0
        self._stop = threading.Event()
        self._sampler: threading.Thread | None = None

    def __enter__(self) -> PeakMemory:
        if _recorded_peak() is None:
            self._sample()
            self._sampler = threading.Thread(target=self._watch, name="skry-memory", daemon=True)
            self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._sampler is not None:
            self._sampler.join()

    @property
    def size(self) -> int:
        """The peak so far, bytes."""
        recorded = _recorded_peak()
        if recorded is not None:
            return recorded
        self._sample()
        return self._sampled

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self._sampled = max(self._sampled, psutil.Process().memory_info().rss)


def _recorded_peak() -> int | None:
    """Read the peak that the system has recorded, bytes; None where it records none.

    On Linux this is VmHWM and not ``getrusage``'s maximum, which a process inherits from the one
    that started it.
    """
    try:
        for line in OWN_STATUS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * 1024
    except OSError:  # not Linux
        pass
    peak: int | None = getattr(psutil.Process().memory_info(), "peak_wset", None)  # Windows
    return peak
