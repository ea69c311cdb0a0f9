"""What a job leaves behind: images, the table of frames, and where they go.

Everything that can be refused is refused before anything is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.develop import Developer
from skry_dask.capture.source import can_write_in, is_part_of, sidecar, store_of
from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.atomic import atomic_write
from skry_dask.io.images.write import kind_of, write_image
from skry_dask.io.positions import write_positions
from skry_dask.options import as_json
from skry_dask.phases.alignment.templates import Reason
from skry_dask.store.frames import is_group

if TYPE_CHECKING:
    import os

    import xarray as xr

    from skry_dask.capture.source import Input
    from skry_dask.options import Options
    from skry_dask.profiling import Spent
    from skry_dask.types import AnyArray


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a job did, JSON-compatible when taken as a dict.

    Parameters
    ----------
    input, output, store
        Paths; ``output`` is None where no image was written.
    files
        What else was written: the composite, the tables of frames and points.
    phases
        Per phase: ``seconds``, ``status`` ("ran" or "reused") and ``digest``; of those that ran,
        what that took, see `profile`.
    frames, active_frames
        Their numbers.
    region
        Seen in every active frame: ``y``, ``x``, ``height``, ``width`` on the canvas, px.
    image
        ``height`` and ``width`` of the stack, px.
    points
        Number of reference points.
    notes
        What the user should know: problems of the file, frames left out, where results went.
    seconds
        The whole job, wall time.
    peak_memory_mib
        Of this process so far, as the operating system counts it.
    """

    input: str
    output: str | None = None
    store: str = ""
    files: list[str] = field(default_factory=list)
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    frames: int = 0
    active_frames: int = 0
    region: dict[str, int] = field(default_factory=dict)
    image: dict[str, int] = field(default_factory=dict)
    points: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory_mib: float = 0.0


UNKNOWN = "what it took is not known, because tasks ran in processes that cannot be asked"
"""Said where a phase has no profile."""


def profile(spent: Spent, n_frames: int, seconds: float, n_threads: int) -> dict[str, Any]:
    """Tell what a phase took, JSON-compatible.

    Parameters
    ----------
    spent
        By its tasks.
    n_frames
        Of the capture.
    seconds
        Wall time.
    n_threads
        How many threads could run tasks.

    Returns
    -------
    dict
        ``frames_per_second``; ``read_bytes``, size of the frames read, decoded, in all of its
        passes; ``kernel_share``, the fraction of the threads' time spent in compiled kernels;
        ``threads``; ``thread_seconds``, in which the wall time of all threads is split up:
        ``kernels``; ``reading`` (and decoding); ``compiling``, or loading of kernels; ``other``
        work of tasks that read frames (numpy, scipy, Python); ``outside`` of these: dask, small
        tasks, storing the result, threads without work.
    """
    split = {name: getattr(spent, name) for name in ("kernels", "reading", "compiling", "other")}
    whole = seconds * n_threads
    split["outside"] = max(0.0, whole - sum(split.values()))
    return {
        "frames_per_second": round(n_frames / seconds, 1),
        "read_bytes": spent.read_bytes,
        "kernel_share": round(spent.kernels / whole, 3),
        "threads": n_threads,
        "thread_seconds": {name: round(value, 3) for name, value in split.items()},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What to write.

    Parameters
    ----------
    image
        The stack; None = nothing is written.
    kind
        Of images, whatever the suffix; None = as the suffix says.
    composite
        Whether the best-fragments composite is written beside it.
    table
        Whether tables of frames and of reference points are written beside it.
    """

    image: Path | None = None
    kind: str | None = None
    composite: bool = False
    table: bool = False

    def beside(self, suffix: str) -> Path:
        """Name a file after the image.

        Raises
        ------
        OptionsError
            If there is no image to write.
        """
        if self.image is None:
            raise OptionsError("a composite or a table goes beside the output: give an output")
        return self.image.with_name(f"{self.image.stem}{suffix}")

    @property
    def paths(self) -> list[Path]:
        """All files to write."""
        image = self.image
        wanted = [
            image,
            self.beside(f"_composite{image.suffix if image else ''}") if self.composite else None,
            self.beside("_frame_quality.csv") if self.table else None,
            self.beside("_points.csv") if self.table else None,
        ]
        return [path for path in wanted if path is not None]

    def check(self, source: Input, *others: str | os.PathLike[str] | None) -> None:
        """Refuse what cannot be written.

        Parameters
        ----------
        source
            Of the capture.
        others
            What else the job reads: masters, flags, positions.

        Raises
        ------
        OptionsError
            If the kind of image is not known.
        StoreError
            If the folder is missing or read-only, or the output is an input.
        """
        if self.image is not None and self.kind is None:
            kind_of(self.image)
        for path in self.paths:
            _check_output(path)
            if is_part_of(path, source):
                raise StoreError(f"{path} is the input, or would be: give another name with -o")
            for other in others:
                if other is not None and path.exists() and is_part_of(path, other):
                    raise StoreError(f"{path} is read in this job: give another name with -o")

    def write(
        self,
        result: xr.Dataset,
        alignment: xr.Dataset,
        quality: xr.Dataset,
        points: xr.Dataset,
        metadata: Any,
    ) -> list[Path]:
        """Write everything; returns what besides the image."""
        if self.image is None:
            return []
        image, *others = self.paths
        kind = self.kind or kind_of(image)
        write_image(image, result["stack"].to_numpy(), kind=kind, metadata=metadata)
        if self.composite:
            about = {**metadata, "image": "best-fragments composite"}
            write_image(others[0], quality["composite"].to_numpy(), kind=kind, metadata=about)
        if self.table:
            write_table(others[-2], alignment, quality, result)
            write_points(others[-1], points)
        return others


def _check_output(output: Path) -> None:
    folder = output.absolute().parent
    if not folder.is_dir():
        raise StoreError(f"{output}: there is no folder {folder}: create it first")
    if output.is_dir():
        raise StoreError(f"{output} is a folder: give the name of a file, such as {output}/out.tif")
    if not can_write_in(folder):
        raise StoreError(f"{output}: folder {folder} is read-only: give another place with -o")


def write_table(
    path: str | os.PathLike[str],
    alignment: xr.Dataset,
    quality: xr.Dataset,
    result: xr.Dataset,
) -> None:
    """Write a table of all frames: the columns that Stackistry exports, then more.

    ``Frame`` is the number in the file, ``Active frame`` counts the active ones (-1 for others),
    ``Quality`` is 0 for the worst and 1 for the best of them.

    Parameters
    ----------
    path
        The file to write; replaced if it is there.
    alignment, quality, result
        From `align`, `estimate_quality` and `stack`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    active = alignment["active"].to_numpy()
    measured = quality["frame_quality"].to_numpy().astype(np.float64)
    low, high = np.nanmin(measured), np.nanmax(measured)
    scaled = np.where(active, (measured - low) / max(high - low, 1e-30), 0.0)
    order = np.where(active, np.cumsum(active) - 1, -1)
    offset = alignment["offset"].to_numpy()
    lines = [
        f"skry_dask {version('skry_dask')}",
        "Quality from 0 (worst) to 1 (best frame); offsets in px",
        "",
        "Frame;Active frame;Quality;Reason;Offset y;Offset x;Confidence;Brightness;Fragments",
    ]
    columns = zip(
        alignment["frame"].to_numpy().tolist(),
        order.tolist(),
        scaled.tolist(),
        alignment["reason"].to_numpy().tolist(),
        offset[:, 0].tolist(),
        offset[:, 1].tolist(),
        alignment["confidence"].to_numpy().tolist(),
        alignment["brightness"].to_numpy().tolist(),
        result["fragments"].to_numpy().tolist(),
        strict=True,
    )
    for number, index, value, reason, y, x, confidence, brightness, fragments in columns:
        why = Reason(reason).name.lower().replace("_", " ")
        lines.append(
            f"{number};{index};{value:.6g};{why};{y:.4f};{x:.4f};{confidence:.3f};"
            f"{brightness:.5f};{fragments}"
        )
    with atomic_write(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def write_points(path: str | os.PathLike[str], points: xr.Dataset) -> None:
    """Write a table of the reference points, which can be edited and given back.

    Columns ``y`` and ``x``, place on the canvas, px; ``valid_fraction``, in how many of the active
    frames the point was measured; ``mean_y`` and ``mean_x``, its mean displacement, px.

    Parameters
    ----------
    path
        The file to write; replaced if it is there.
    points
        From `track`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    mean = points["mean_displacement"].to_numpy()
    columns = {
        "valid_fraction": points["valid_fraction"].to_numpy().tolist(),
        "mean_y": mean[:, 0].tolist(),
        "mean_x": mean[:, 1].tolist(),
    }
    position = [(y, x) for y, x in points["position"].to_numpy().tolist()]
    write_positions(path, tuple(position), columns)


def place_of_results(
    source: Input, output: Path | None, store: Path | None, summary: Summary
) -> Path:
    """Choose the store: the user's, the input itself, beside the input, or beside the output.

    Parameters
    ----------
    source
        Of the capture.
    output
        Image to be written, if any.
    store
        The user's choice, if any.
    summary
        Gets a note where results do not go where they would be looked for.

    Raises
    ------
    StoreError
        If the place is taken by something else, or has no folder.
    """
    if store is None:
        own = store_of(source)
        if isinstance(own, str):  # a URL: results are kept here
            store = (output or Path.cwd() / "x").absolute().parent / sidecar(own).name
            summary.notes.append(f"{own} is not on this machine: results are kept in {store}")
        else:
            store = own or sidecar(source)
        folder = store.absolute().parent
        if folder.is_dir() and not can_write_in(store if store.exists() else folder):
            store = (output or Path.cwd() / "x").absolute().parent / store.name
            summary.notes.append(f"{folder} is read-only: results are kept in {store}")
    elif store.exists() and not is_group(store):
        raise StoreError(f"{store} exists and is not a store: give another place with --store")
    elif not store.absolute().parent.is_dir():
        raise StoreError(f"{store}: there is no folder {store.absolute().parent}: create it first")
    if output is not None and output.resolve().is_relative_to(store.resolve()):
        raise StoreError(f"{output} lies in the store {store}: give another name with -o")
    summary.store = str(store)
    return store


def provenance(capture: xr.Dataset, options: Options, summary: Summary) -> dict[str, Any]:
    """Collect what an image should say of its making, JSON-compatible.

    Parameters
    ----------
    capture
        From `open_capture`.
    options
        Of all phases.
    summary
        Of the job.
    """
    return {
        "software": f"skry_dask {version('skry_dask')}",
        "source": Path(summary.input).name,
        "source_attributes": {
            k: v for k, v in capture.attrs.items() if k not in ("source", "store", "problems")
        },
        "options": as_json(options),
        "frames": summary.frames,
        "active_frames": summary.active_frames,
        "region": summary.region,
        "points": summary.points,
        "digest": summary.phases["stack"]["digest"],
        "scale": scale_in_words(capture),
    }


def is_colourless(image: AnyArray) -> bool:
    """Tell whether an image (y, x, channel) is of one hue, such as a mono camera's MP4."""
    if image.ndim < 3:
        return False
    green = image[..., 1]
    spread = max(float(np.nanstd(image[..., i] - green)) for i in (0, 2))
    return spread < COLOURLESS * max(float(np.nanstd(green)), 1e-9)


COLOURLESS = 0.02
"""Colours that differ by less than this fraction of what green varies by are none."""


def scale_in_words(capture: xr.Dataset) -> str:
    """Say which light becomes 1 in an image: the same for every capture of a batch.

    Parameters
    ----------
    capture
        From `open_capture`, calibrated or not.
    """
    developer = Developer.of(capture)
    white = developer.white >> developer.shift
    dark = " above the dark" if "dark" in capture else ""
    return f"1 (65535 in 16 bit, 255 in 8 bit) is grey level {white}{dark} of the capture"
