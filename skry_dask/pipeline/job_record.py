"""Records of jobs: kept in the store beside the results, so that a report can be made later.

A record is a result without variables, of the phase "job", under the digest of the stack. Results
that are reused were computed by an earlier job; its record says what they took.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import xarray as xr

from skry_dask.errors import SkryError, StoreError
from skry_dask.io.remote import is_url
from skry_dask.options import Options, as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.pipeline.job import Job
    from skry_dask.pipeline.job_results import JobResults
    from skry_dask.pipeline.phase_runner import PhaseRunner
    from skry_dask.store.results.reading import Results

PHASE = "job"
"""Name under which records are stored."""

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What a job was, and what became of it.

    Parameters
    ----------
    source
        The capture as the user named it: absolute paths or URLs, several for a list of images.
    options
        Options of the whole job, JSON-compatible.
    about
        What its image says of how it was made; of several percentages, the first image.
    stacks
        The same of each image.
    sharpened
        The sharpened images, absolute paths or URLs, one for each stack; none, if none were made.
    notes
        What the program noticed.
    phases
        Figures of each phase, by name: ``status``, ``seconds``, ``digest``, ``frames_per_second``.
    """

    source: list[str]
    options: dict[str, dict[str, Any]]
    about: dict[str, Any]
    stacks: list[dict[str, Any]]
    sharpened: list[str]
    notes: list[str]
    phases: dict[str, dict[str, Any]]

    def all_options(self) -> Options:
        """Return the options as dataclasses.

        Raises
        ------
        OptionsError
            If this version of the program has other options.
        """
        plain = {name: value for of in self.options.values() for name, value in of.items()}
        return Options.of(**{name: _tuples(value) for name, value in plain.items()})


def _tuples(value: Any) -> Any:
    """Make tuples of lists, within lists too."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def keep_record(
    job: Job,
    results: JobResults,
    about: Sequence[dict[str, Any]],
    phases: PhaseRunner,
) -> JobRecord:
    """Store the record of a job that is done, unless the newest one says the same.

    Parameters
    ----------
    job, results
        The job, and what its phases gave.
    about
        What each of its images says of how it was made.
    phases
        Which ran the job; stores the record beside the results.
    """
    # Reading a record, as for a report, does without what this takes to import.
    from skry_dask.pipeline.phase_figures import figures_of
    from skry_dask.pipeline.summary import notes

    digest = results["stack"].digest
    given = job.source.given
    names = [given] if isinstance(given, str | os.PathLike) else list(given)
    took = _figures_of_earlier_jobs(job.store)
    of_phases = {
        phase.name: figures_of(phase, results.n_measured) for phase in results if phase.status
    }
    record = JobRecord(
        source=[_absolute(str(name)) for name in names],
        options=as_json(job.options),
        about=about[0],
        stacks=list(about),
        sharpened=[
            _absolute(str(images["sharpened"]))
            for images in job.outputs.images
            if "sharpened" in images
        ],
        notes=notes(job, results),
        phases={
            name: took.get(figures.get("digest", ""), figures)
            if figures["status"] == "reused"
            else figures
            for name, figures in of_phases.items()
        },
    )
    entries = job.store.entries_of(PHASE)
    with contextlib.suppress(SkryError):  # damaged: it is replaced
        if entries and entries[-1].digest == digest:
            newest = read_record(job.store, digest)
            # Not in the digest, as no bit of an image depends on it.
            same_scale = record.about.get("pixel_scale") == newest.about.get("pixel_scale")
            if same_scale and (not record.sharpened or record.sharpened == newest.sharpened):
                return newest
            record = replace(record, sharpened=record.sharpened or newest.sharpened)
    attrs = {"phase": PHASE, "version": VERSION, **as_json(record)}
    phases.keep(PHASE, digest, xr.Dataset(attrs=attrs))
    return record


def _absolute(name: str) -> str:
    """Make a name independent of the folder; it may be a pattern."""
    return name if is_url(name) else os.path.abspath(name)  # noqa: PTH100 a pattern is no path


def _figures_of_earlier_jobs(results: Results) -> dict[str, dict[str, Any]]:
    """Return the figures of phases that earlier jobs have computed, by the digest of the result."""
    took: dict[str, dict[str, Any]] = {}
    for entry in results.entries_of(PHASE):
        with contextlib.suppress(SkryError):  # damaged: it is only what a phase took
            took |= {
                figures["digest"]: figures
                for figures in read_record(results, entry.digest).phases.values()
                if figures["status"] == "ran" and "digest" in figures
            }
    return took


def read_record(results: Results, digest: str = "") -> JobRecord:
    """Read the record of a job.

    Parameters
    ----------
    results
        As from `open_results`.
    digest
        Digest of its stack, of which the first digits will do; by default of the newest job.

    Raises
    ------
    StoreError
        If there is none.
    """
    try:
        attrs = results[f"{PHASE}/{digest}" if digest else PHASE].attrs
        return JobRecord(**{field.name: attrs[field.name] for field in fields(JobRecord)})
    except KeyError as error:
        raise StoreError(
            f"{results.path} has no finished job: run skry stack with the capture first"
        ) from error
