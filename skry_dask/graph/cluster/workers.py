"""Which workers of a cluster can do a job: those that see the same input and run the same code.

Each worker is asked once. One that differs is named and not used.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from skry_dask.errors import ClusterError, StoreError
from skry_dask.graph.cluster.answers import ask
from skry_dask.graph.cluster.versions import PACKAGES, differences, package_digest
from skry_dask.io.remote import RemotePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.io.remote import Location

log = logging.getLogger(__name__)

SHOWN = 3
"""Number of workers that a message names; more are counted."""


class Input(Protocol):
    """What workers must see; it says itself what is wrong."""

    def problem(self) -> str:
        """Say in words what this process sees instead; empty if it sees the input."""
        ...


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job needs of a worker.

    Parameters
    ----------
    digest
        Of the sources of this package.
    inputs
        What it must see.
    mark
        A file in the folder of the results, which shows whether a worker sees the same one; None =
        do not look.
    """

    digest: str
    inputs: tuple[Input, ...] = ()
    mark: Location | None = None


class Report(NamedTuple):
    """What a worker says.

    Parameters
    ----------
    problem
        Why it cannot be used; empty if it can be.
    sees_store
        Whether it sees the folder of the results and can write there.
    """

    problem: str
    sees_store: bool


def report(needs: Needs) -> Report:
    """Compare this process with what a job needs; runs on workers."""
    if package_digest() != needs.digest:
        return Report("it has other sources of skry_dask of the same version", False)
    problem = next(filter(None, (one.problem() for one in needs.inputs)), "")
    return Report(problem, _sees_store(needs))


def _sees_store(needs: Needs) -> bool:
    if isinstance(needs.mark, RemotePath):
        return _sees_url(needs.mark)
    if needs.mark is None or not needs.mark.exists():
        return False
    try:
        with tempfile.TemporaryFile(dir=needs.mark.parent):
            return True
    except OSError:
        return False


def _sees_url(mark: RemotePath) -> bool:
    try:
        if mark.state() is None:
            return False
        mark.write_bytes(b"")
    except StoreError:
        return False
    return True


class Workers:
    """The workers of a cluster that have been asked.

    Parameters
    ----------
    client
        Connected to the cluster.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.inputs: tuple[Input, ...] = ()
        self.store: Location | None = None
        self.sees_store = False
        """Whether all of them see the folder of the results and can write there; a worker that
        joins later and does not is not used."""
        self.usable: dict[str, Report] = {}
        self.refused: dict[str, str] = {}

    def require(self, *inputs: Input, store: Location | None = None) -> None:
        """Ask all workers anew whether they see an input and the folder of the results.

        Raises
        ------
        ClusterError
            If none of them can be used.
        """
        self.usable.clear()
        self.inputs, self.store, self.sees_store = inputs, store, False
        self.ask_new()
        self.sees_store = all(one.sees_store for one in self.usable.values())

    def ask_new(self) -> bool:
        """Ask the workers that have joined; return whether one of them cannot be used.

        Raises
        ------
        ClusterError
            If no worker can be used.
        """
        present = set(ask(self.client.nthreads))
        self.usable = {name: one for name, one in self.usable.items() if name in present}
        new = present - self.usable.keys() - self.refused.keys()
        if new:
            self._ask(sorted(new))
        refused = new & self.refused.keys()
        if not self.usable and self.refused.keys() & present:
            raise ClusterError(f"no worker can be used: {self.words()}: {REMEDY}")
        for name in sorted(refused):
            log.warning("worker %s is not used: %s", name, self.refused[name])
        return bool(refused)

    def _ask(self, new: list[str]) -> None:
        versions = ask(lambda: self.client.get_versions(packages=list(PACKAGES)))
        own = versions["client"]
        scheduler = differences(own, versions["scheduler"])
        if scheduler:
            raise ClusterError(
                f"the scheduler has {scheduler}: install the same packages there, it takes graphs "
                "apart"
            )
        for name in new:
            if different := differences(own, versions["workers"].get(name)):
                self.refused[name] = f"it has {different}"
        asked = [name for name in new if name not in self.refused]
        if not asked:
            return
        with _mark_in(self.store) as mark:
            needs = Needs(package_digest(), self.inputs, mark)
            answers = ask(lambda: self.client.run(report, needs, workers=asked, on_error="return"))
        for name, answer in answers.items():
            if problem := self._problem(answer):
                self.refused[name] = problem
            else:
                self.usable[name] = answer

    def _problem(self, answer: Any) -> str:
        """Say why a worker that has answered cannot be used; empty if it can be."""
        if not isinstance(answer, Report):
            reason = (str(answer).splitlines() or [type(answer).__name__])[0]
            return f"it cannot say what it sees ({reason})"
        if self.sees_store and not answer.sees_store and not answer.problem:
            return f"it does not see the store {self.store}, or cannot write there"
        return answer.problem

    def words(self) -> str:
        """Name the workers that are not used, each with the reason."""
        named = [f"{name}: {reason}" for name, reason in sorted(self.refused.items())]
        if len(named) > SHOWN:
            named[SHOWN:] = [f"and {len(named) - SHOWN} more"]
        return "; ".join(named)

    @property
    def notes(self) -> list[str]:
        """What the user should know: which workers were not used."""
        if not self.refused:
            return []
        n = len(self.refused)
        were = "1 worker was" if n == 1 else f"{n} workers were"
        return [f"{were} not used, {self.words()}: {REMEDY}"]


REMEDY = (
    "give workers the same packages and the same files at the same place as here "
    "(pip freeze, a shared folder, or a store made by 'skry import' that all of them see)"
)


@contextlib.contextmanager
def _mark_in(store: Location | None) -> Iterator[Location | None]:
    """Put a file into a folder, if it can be written, for as long as the context lasts."""
    if isinstance(store, RemotePath):
        mark = store / f"seen.partial-{secrets.token_hex(8)}"
        try:
            mark.write_bytes(b"")
            yield mark
        finally:
            store.delete_files([mark.name])
        return
    try:
        if store is None:
            raise FileNotFoundError
        is_new = not store.exists()
        store.mkdir(exist_ok=True)
        file = tempfile.NamedTemporaryFile(dir=store, prefix="seen.partial-")  # noqa: SIM115
    except OSError:  # The job finds out itself that it cannot be written.
        yield None
        return
    with file:
        yield Path(file.name)
    if is_new:  # A job that is refused leaves no folder, which the next one would not take.
        with contextlib.suppress(OSError):
            store.rmdir()
