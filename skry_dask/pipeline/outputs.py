"""What a job leaves behind, and where: images, tables and the store.

Whatever can be refused is refused before anything is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.capture.calibration.develop import Developer
from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.atomic import write_if_new
from skry_dask.io.images.formats import has_image_suffix
from skry_dask.io.images.write import image_kind_for
from skry_dask.io.remote import RemotePath
from skry_dask.io.temporary import temporary_folder
from skry_dask.pipeline.image_names import FIELD, image_of_each
from skry_dask.pipeline.stack_files import Tone, write_stack, write_toned
from skry_dask.pipeline.steps import PLOT, TABLE, can_plot, write_step_plot, write_step_table
from skry_dask.pipeline.tables import (
    frame_table,
    write_frame_table,
    write_point_table,
    write_quality_table,
)
from skry_dask.pipeline.upload import upload
from skry_dask.reporting.libraries import check_libraries
from skry_dask.store.results.room import can_write_in
from skry_dask.types import HALF

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import xarray as xr

    from skry_dask.capture.source import Source
    from skry_dask.io.remote import Location
    from skry_dask.options.sharpening import SharpenOptions
    from skry_dask.options.tone import ToneOptions
    from skry_dask.options.values import Percentages
    from skry_dask.pipeline.job_results import JobResults


TABLES = ("_frame_quality.txt", "_frame_quality.csv", "_frames.csv", "_points.csv")
"""Ends of the names of tables: frame quality as Stackistry writes it, with more columns, as plain
CSV; all points."""


FLOATS = ("tiff32", "fits")
"""Kinds of images that hold all brightness as it is."""


class WrittenFiles(NamedTuple):
    """What `Outputs.write` has done.

    Parameters
    ----------
    others
        The files besides the image.
    changed
        Whether a file was written; False if all of them had the same content already.
    """

    others: Sequence[Location]
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The files to write.

    Parameters
    ----------
    image
        The stack; None to write nothing.
    kind
        Kind of the images; None for that of the suffix.
    halves
        Whether to write both half stacks beside the image.
    composite
        Whether to write the best-fragments composite beside the image.
    table
        Whether to write tables of frames and of reference points beside the image.
    steps
        Whether to write a table and a plot of the steps beside the image.
    sharpen
        How to sharpen the stack into a further image, and its tone; None: not at all.
    stretch
        Percentiles of the stack that become black and white in images; None: none.
    report
        Whether to write a report beside the image.
    percent
        See `StackOptions`: of several percentages there is an image each, see `image_of_each`.
    """

    image: Location | None = None
    kind: str | None = None
    halves: bool = False
    composite: bool = False
    table: bool = False
    steps: bool = False
    sharpen: tuple[SharpenOptions, ToneOptions] | None = None
    stretch: ToneOptions | None = None
    report: bool = False
    percent: Percentages | None = None

    def beside(self, suffix: str) -> Location:
        """Name a file of the whole job after the image; after the first one of a pattern.

        Raises
        ------
        OptionsError
            If there is no image to write.
        """
        if self.image is None:
            raise OptionsError(
                "a composite, tables, steps, a sharpened image and a report go beside the output, "
                "and a stretch changes it: give an output"
            )
        image = self.image
        if FIELD.search(image.name):
            image = self.stacks[0]
        return image.with_name(f"{image.stem}{suffix}")

    @property
    def stacks(self) -> list[Location]:
        """The stacks to write, one for each percentage; see `image_of_each`."""
        return image_of_each(self.image, self.percent)

    @property
    def paths(self) -> list[Location]:
        """All files to write: images, the stack first, then tables."""
        images = [path for of_stack in self.images for path in of_stack.values()]
        return [*images, *self._files_of_job]

    @property
    def others(self) -> list[Location]:
        """All files to write besides the stacks."""
        return [path for path in self.paths if path not in self.stacks]

    @property
    def _files_of_job(self) -> list[Location]:
        """What is written once for all stacks."""
        tables = [self.beside(suffix) for suffix in TABLES] if self.table else []
        composite = [self._composite] if self.composite else []
        return [*composite, *tables, *self._step_files, *self._reports]

    @property
    def _reports(self) -> list[Location]:
        """The report, if there is one: of moon-stack.tif and of moon.tif, moon-report.html."""
        if not self.report:
            return []
        named = self.beside("")
        return [named.with_name(f"{named.name.removesuffix('-stack')}-report.html")]

    @property
    def _composite(self) -> Location:
        return self.beside(f"_composite{'' if self.image is None else self.image.suffix}")

    @property
    def _step_files(self) -> list[Location]:
        """The table of the steps, and their plot where that can be drawn."""
        suffixes = [TABLE, PLOT] if can_plot() else [TABLE]
        return [self.beside(suffix) for suffix in suffixes] if self.steps else []

    @property
    def images(self) -> list[dict[str, Location]]:
        """The images to write of each stack, by what they are."""
        if self.image is None and self.sharpen is not None:
            self.beside("-sharpened")
        names = [*(HALF.tolist() if self.halves else []), *(["sharpened"] if self.sharpen else [])]
        return [
            {
                "stack": stack,
                **{name: stack.with_name(f"{stack.stem}-{name}{stack.suffix}") for name in names},
            }
            for stack in self.stacks
        ]

    @property
    def _remote_paths(self) -> list[RemotePath]:
        return [path for path in self.paths if isinstance(path, RemotePath)]

    def check(self) -> None:
        """Refuse what cannot be written, whatever the job reads.

        Raises
        ------
        OptionsError
            If the suffix names no kind of image or another one than was asked for, or there is no
            image to name other files after.
        StoreError
            If a folder is missing or read-only.
        """
        for image in self.stacks:
            _check_suffix(image, self.kind)
        self._check_stretch()
        if self.report:
            check_libraries()
        if isinstance(self.image, RemotePath):
            self.image.parent.check_folder()
        for path in self.paths:
            if isinstance(path, RemotePath):
                continue
            folder = path.absolute().parent
            if not folder.is_dir():
                raise StoreError(f"{path}: there is no folder {folder}: create it first")
            if path.is_dir():
                raise StoreError(
                    f"{path} is a folder: give the name of a file, such as {path / 'out.tif'}"
                )
            if not can_write_in(folder):
                raise StoreError(
                    f"{path}: folder {folder} is read-only: give another place with -o"
                )

    def _check_stretch(self) -> None:
        if self.stretch is None:
            return
        self.beside("")
        for image in self.stacks:
            kind = self.kind or image_kind_for(image)
            if kind in FLOATS:
                raise OptionsError(
                    f"stretch is for images of 8 and 16 bits, but {image} is {kind}, which keeps "
                    "all brightness: leave out one of them"
                )

    def check_inputs(self, source: Source, *others: str | os.PathLike[str] | None) -> None:
        """Refuse to overwrite what the job reads.

        Parameters
        ----------
        source
            The capture.
        others
            Other files that the job reads: masters, flags, positions.

        Raises
        ------
        StoreError
            If a file to write is an input.
        """
        for path in self.paths:
            if isinstance(path, RemotePath):
                if str(path) == source.name:
                    raise StoreError(f"{path} is the input: give another name with -o")
                continue
            if source.includes(path):
                raise StoreError(f"{path} is the input, or would be: give another name with -o")
        self.check_read(*others)

    def check_read(self, *others: str | os.PathLike[str] | None) -> None:
        """Refuse to overwrite single files that the job reads.

        Parameters
        ----------
        others
            Images, masters, flags, positions.

        Raises
        ------
        StoreError
            If a file to write is one of them.
        """
        for path in self.paths:
            for other in others:
                if isinstance(path, Path) and other is not None and _same_file(path, Path(other)):
                    raise StoreError(f"{path} is read in this job: give another name with -o")

    def write(self, metadata: Sequence[dict[str, Any]], results: JobResults) -> WrittenFiles:
        """Write all files from the results of the phases, unless they are there already.

        Parameters
        ----------
        metadata
            Of each stack, JSON-compatible: what its images say about how they were made.
        results
            The capture, and the results of the phases, computed.

        Returns
        -------
        The files besides the image, and whether any file has changed.

        Raises
        ------
        StoreError
            If a file cannot be written.
        """
        if self.image is None:
            return WrittenFiles([], changed=False)
        if isinstance(self.image, RemotePath):
            with temporary_folder() as folder:
                local = replace(self, image=folder / self.image.name)
                local.write(metadata, results)
                places = [place for place in self._remote_paths if place not in self._reports]
                changed = [upload(folder / place.name, place) for place in places]
            return WrittenFiles(self.others, any(changed))
        folder, kind = self.image.parent, self.kind or image_kind_for(self.image)
        changed, of_first = [], metadata[0]
        tones = [Tone.of(one.data, self.stretch) for one in results.stacks]
        made = zip(results.stacks, self.images, metadata, tones, strict=True)
        for one, paths, about, tone in made:
            how: dict[str, Any] = {"kind": self.kind, "tone": tone, "sharpen": self.sharpen}
            changed += write_stack(paths, one.data, about, **how)
        if self.composite:
            about = {**of_first, "image": "best-fragments composite"}
            image = results.quality["composite"].to_numpy()
            target = folder / self._composite.name
            changed += [write_toned(target, image, kind, about, tones[0])]
        if self.table:
            frames = frame_table(results.capture, results.alignment, results.quality, results.stack)
            of_quality, longer, of_frames, of_points = (
                folder / self.beside(suffix).name for suffix in TABLES
            )
            changed += [write_quality_table(of_quality, of_first["source"], frames)]
            changed += [write_quality_table(longer, of_first["source"], frames, longer=True)]
            changed += [write_frame_table(of_frames, frames)]
            changed += [write_point_table(of_points, results.points)]
        for path, write in zip(self._step_files, (write_step_table, write_step_plot), strict=False):
            changed += [write(folder / path.name, results["steps"].data)]
        return WrittenFiles(self.others, any(changed))

    def write_report(self, page: str) -> None:
        """Write a report beside the image.

        Parameters
        ----------
        page
            HTML.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        for place in self._reports:
            if isinstance(place, RemotePath):
                place.write_bytes(page.encode())
            else:
                write_if_new(place, page.encode())


def _check_suffix(image: Location, kind: str | None) -> None:
    """Refuse an image whose suffix names no format, or another one than its kind."""
    if kind is None:
        image_kind_for(image)
        return
    try:
        named: str | None = image_kind_for(image)
    except OptionsError:
        named = "jpeg" if has_image_suffix(image) else None
    if named and named.rstrip("0123456789") != kind.rstrip("0123456789"):
        raise OptionsError(
            f"{image} has the suffix {image.suffix}, but output_format is {kind}: give another "
            "suffix, or leave output_format out"
        )


def _same_file(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def brightness_scale(capture: xr.Dataset) -> str:
    """Say in words which brightness is 1 in an image: the same for all captures of a night.

    Parameters
    ----------
    capture
        As from `open_capture`, calibrated or not.
    """
    developer = Developer.of(capture)
    white = developer.white >> developer.shift
    dark = " above the dark" if "dark" in capture else ""
    return f"1 (65535 in 16 bit, 255 in 8 bit) is grey level {white}{dark} of the capture"


def software() -> str:
    """Name this program and its version, for the metadata of images."""
    return f"skry_dask {version('skry_dask')}"
