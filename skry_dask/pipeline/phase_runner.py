"""Running the phases of a job: each is computed once and stored, or its stored result is reused.

Barriers between phases are here and nowhere else: a phase's graph is computed, its small result
stored under a digest, and the next phase starts from there.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from skry_dask.graph.kept.pieces import Pieces, delete_pieces_of
from skry_dask.options import as_json
from skry_dask.pipeline.decisions import decided
from skry_dask.pipeline.progress import Progress
from skry_dask.store.content import digest_of_content
from skry_dask.store.digest import digest_of
from skry_dask.store.pieces.blobs import GoneError, blobs_at
from skry_dask.store.places.folder import PIECES
from skry_dask.store.places.places import remove
from skry_dask.store.results.tables import large_tables
from skry_dask.unfinished import saving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from skry_dask.capture.known_frames import KnownFrames
    from skry_dask.graph.runner import Runner
    from skry_dask.options import PhaseOptions
    from skry_dask.pipeline.progress import Report
    from skry_dask.profiling import Spent
    from skry_dask.store.pieces.blobs import Blobs
    from skry_dask.store.results.writing import ResultStore

log = logging.getLogger(__name__)

Status: TypeAlias = Literal["ran", "reused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseResult:
    """What a phase gave, and what that took.

    Parameters
    ----------
    name
        Name of the phase.
    data
        Its result.
    digest
        Depends on all that the result depends on: the capture, and the options so far.
    status
        Whether the phase ran, or its stored result was reused; None where nothing had to be done.
    seconds
        Wall time.
    n_threads
        Number of threads that could run tasks.
    spent
        What tasks took; None where that is not known, or nothing ran.
    known
        Of a capture: its frames, to be compared with those of earlier runs.
    """

    name: str
    data: xr.Dataset
    digest: str
    status: Status | None
    seconds: float
    n_threads: int
    spent: Spent | None = None
    known: KnownFrames | None = None

    def only(self, *names: str) -> PhaseResult:
        """Take some variables, for a phase that depends on nothing else.

        Its digest is that of their values, so a phase is not computed again where an earlier one
        was, and found the same.

        Parameters
        ----------
        names
            Of small variables; none = all variables.
        """
        data = self.data[list(names)] if names else self.data
        values = {str(name): (v.dims, v.to_numpy()) for name, v in data.variables.items()}
        return replace(self, data=data, digest=digest_of_content(sorted(values.items())))

    def after(self, earlier: PhaseResult) -> PhaseResult:
        """Add what an earlier phase took, of which this one is the continuation."""
        spent = self.spent
        if spent is not None and earlier.spent is not None:
            spent = spent.plus(earlier.spent)
        return replace(self, seconds=self.seconds + earlier.seconds, spent=spent)


class PhaseRunner:
    """Runs phases one after the other, and stores their results.

    A small result is written while the next phase runs on it; when the context is left, all are
    written, even if a later phase failed. A result with large tables is written while it is
    computed, and the next phase reads it from the store.

    Parameters
    ----------
    runner
        Computes graphs.
    store
        Keeps results.
    report
        Called with the progress of each phase.
    check_unchanged
        Called after each phase, before its result is stored: raises `ReaderError` if the capture
        has changed.
    """

    def __init__(
        self,
        runner: Runner,
        store: ResultStore,
        report: Report,
        check_unchanged: Callable[[], None],
    ) -> None:
        self.runner = runner
        self.store = store
        self.report = report
        self.check_unchanged = check_unchanged
        self._writer = ThreadPoolExecutor(1, "skry-store")
        self._writes: list[Future[None]] = []
        self._during = contextlib.ExitStack()

    def __enter__(self) -> PhaseRunner:
        self.store.sweep()
        self._blobs.sweep()
        # A signal may come while a result of which rows are not kept any more is being written.
        self._during.enter_context(saving(lambda: concurrent.futures.wait(self._writes)))
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown()
        self._during.close()
        for write in self._writes:
            write.result()

    def run(
        self,
        phase: Callable[..., xr.Dataset],
        options: PhaseOptions,
        *inputs: PhaseResult,
        name: str | None = None,
        keeps_pieces: bool = True,
    ) -> PhaseResult:
        """Run a phase, or reuse its stored result.

        Parameters
        ----------
        phase
            Called as ``phase(*datasets, options)``; returns a lazy Dataset.
        options
            Options of the phase.
        inputs
            The capture and the results of earlier phases, all that the result depends on.
        name
            Name of the phase [default: that of its options].
        keeps_pieces
            Whether the phase is called with ``pieces`` too, where the frames of its first input are
            known: `Pieces` of them.

        Raises
        ------
        SkryError
            If the phase fails, or its result cannot be stored.
        """
        began = time.perf_counter()
        name = name or options.phase
        of_inputs = [given.digest for given in inputs]
        digest = digest_of(of_inputs, name, options.version, as_json(options))
        stored = self.store.find(name, digest)
        spent = None
        with contextlib.ExitStack() as held:
            if stored is None:
                held.enter_context(self.store.exclusive(name, digest))
                stored = self.store.find(name, digest)  # another job may have computed it
            if stored is None:
                for may_begin_again in (True, True, False):
                    try:
                        data, spent = self._begin(
                            phase, options, inputs, name, digest, held, keeps_pieces=keeps_pieces
                        )
                        break
                    except GoneError as error:
                        if not may_begin_again:
                            raise
                        log.info("%s begins again: %s", name, error)
            else:
                delete_pieces_of(stored, self._blobs, name)
                # Workers of a cluster need not see the store.
                data = stored if self.runner.sees_store else stored.load()
        status: Status = "ran" if stored is None else "reused"
        seconds = time.perf_counter() - began
        log.info("%s %s in %.3f s", name, status, seconds)
        if log.isEnabledFor(logging.INFO) and (words := decided(name, data)):
            log.info("%s: %s", name, words)
        return PhaseResult(
            name=name,
            data=data,
            digest=digest,
            status=status,
            seconds=seconds,
            n_threads=self.runner.n_threads,
            spent=spent,
        )

    def keep(self, name: str, digest: str, result: xr.Dataset) -> None:
        """Store a result that is computed already, while others are used; an older one is replaced.

        Parameters
        ----------
        name
            Name of the phase.
        digest
            Digest of the result.
        result
            Computed.
        """

        def save() -> None:
            remove(self.store.path / name / digest)
            self.store.save(name, digest, result)

        self._writes.append(self._writer.submit(save))

    def _begin(
        self,
        phase: Callable[..., xr.Dataset],
        options: PhaseOptions,
        inputs: Sequence[PhaseResult],
        name: str,
        digest: str,
        held: contextlib.ExitStack,
        *,
        keeps_pieces: bool,
    ) -> tuple[xr.Dataset, Spent | None]:
        """Build the graph of a phase, compute and store its result; see `_compute`.

        Raises
        ------
        GoneError
            If another job has deleted pieces on which the graph is built.
        """
        known = inputs[0].known if keeps_pieces else None
        of_inputs = [given.digest for given in inputs]
        pieces = None if known is None else self._pieces(name, of_inputs, known)
        # Copies share the arrays, but not what the phase loads from the store for itself.
        copies = [result.data.copy() for result in inputs]
        lazy = phase(*copies, options, **({} if pieces is None else {"pieces": pieces}))
        self.store.check_room(name, lazy)
        with pieces or contextlib.nullcontext():
            n_frames = inputs[0].data.sizes.get("frame")
            return self._compute(name, digest, lazy, pieces, held, n_frames)

    @property
    def _blobs(self) -> Blobs:
        return blobs_at(self.store.path / PIECES)

    def _pieces(self, name: str, of_inputs: list[str], frames: KnownFrames) -> Pieces:
        """Find out what is known of a phase from before, and keep what is done now for later."""
        return Pieces(
            self.store,
            self._blobs,
            name,
            frames,
            self.check_unchanged,
            of_inputs,
            on_cluster=self.runner.is_cluster,
            sees_store=self.runner.sees_store,
        )

    def _compute(
        self,
        name: str,
        digest: str,
        lazy: xr.Dataset,
        pieces: Pieces | None,
        held: contextlib.ExitStack,
        n_frames: int | None,
    ) -> tuple[xr.Dataset, Spent | None]:
        """Compute a phase's result and store it; also return what that took, if it is known."""

        def progress(done: int, total: int) -> None:
            self.report(Progress(name, done, total, frames=n_frames))

        # Workers of a cluster need not see the store.
        if self.runner.sees_store and large_tables(lazy):
            with self.store.new(name, digest) as new:
                computed, spent = self.runner.measure(new.write_tables(lazy), progress)
                labelled = _labelled(computed, pieces)
                self.check_unchanged()
                # In the writer's thread: in a notebook, this one has an event loop.
                self._writer.submit(new.finish, labelled).result()
            if pieces is not None:
                pieces.finish()
            return self.store[f"{name}/{digest}"], spent
        result, spent = self.runner.measure(lazy, progress)
        labelled = _labelled(result, pieces)  # reads samples of the frames, if it is the first
        self.check_unchanged()

        until_saved = held.pop_all()

        def save() -> None:
            with until_saved:
                self.store.save(name, digest, labelled)
                if pieces is not None:
                    pieces.finish()

        self._writes.append(self._writer.submit(save))
        return result, spent


def _labelled(result: xr.Dataset, pieces: Pieces | None) -> xr.Dataset:
    """Add to a result by what a later run knows its rows again."""
    return result if pieces is None else pieces.label(result)
