"""Images that are there already: none of another choice of options is overwritten silently.

Where the name is the user's own, as with -o, the image is replaced, with a note. Where it follows
from the capture's, the job is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.errors import ReaderError
from skry_dask.io.images.formats import image_format_of
from skry_dask.io.images.image_format import parse_description
from skry_dask.options import OPTION_NAMES, as_json
from skry_dask.options.tone import ToneOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skry_dask.io.remote import Location
    from skry_dask.options import Options
    from skry_dask.options.phases import StackOptions
    from skry_dask.pipeline.outputs import Outputs

SAME_IMAGE = {"halves", "pixel_scale", "verify"}
"""Options that change no bit of an image."""

OTHER_NAME = "give another name with -o"

NAMED = 4
"""Number of options of which values are named."""

_MISSING = object()


class OtherImage(NamedTuple):
    """An image that was made with other options, or of another capture.

    Parameters
    ----------
    path
        The file.
    how
        What differs: "was made with other options (percent 20, now 30)".
    remedy
        How to keep it.
    """

    path: Location
    how: str
    remedy: str

    @property
    def refusal(self) -> str:
        """Why it is not overwritten."""
        return f"{self.path} {self.how}: {self.remedy}, or --overwrite to replace it"

    @property
    def note(self) -> str:
        """What is said where it is replaced."""
        return f"{self.path} is replaced: it {self.how}"


def find_other_image(outputs: Outputs, options: Options, source: str) -> OtherImage | None:
    """Find the first image that would be replaced by one of other options, or another capture.

    Images of other programs, and at URLs, are not looked at.

    Parameters
    ----------
    outputs
        The files to write.
    options
        Of the job.
    source
        Name of the capture.

    Returns
    -------
    The image, or None.
    """
    wanted = _plain(options)
    for one, paths in zip(options.stack.of_each, outputs.images, strict=False):
        wanted["stack"] = _plain(one)
        for name, path in paths.items():
            made = _metadata_of(path)
            if "options" not in made or "source" not in made:
                continue
            if Path(made["source"]).stem != Path(source).stem:  # moon.ser, moon.skry are one
                return OtherImage(path, f"was made of {made['source']}", OTHER_NAME)
            others = _other_options(made, wanted)
            others |= _other_finish(made, outputs, is_sharpened=name == "sharpened")
            if others:
                return _other_image(path, others, outputs)
    return None


def left_open(given: StackOptions, settled: Mapping[str, Any]) -> list[str]:
    """List the options of a stack that the job has chosen itself.

    Parameters
    ----------
    given
        As the user has given them.
    settled
        As they are when it is known whether there are weights, JSON-compatible.
    """
    return [name for name, v in as_json(given).items() if v is None and settled[name] is not None]


def _metadata_of(path: Location) -> dict[str, Any]:
    """Read what an image says of how it was made; nothing, where this program did not make it."""
    if not isinstance(path, Path) or not path.is_file():
        return {}
    try:
        return parse_description(image_format_of(path).read_header(path).description)
    except ReaderError:  # no image: as any other file
        return {}


def _other_options(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Find the options that an image was not made with: by name, as they were and as they are."""
    found: dict[str, Any] = {}
    for phase, of_phase in wanted.items():
        before = made["options"].get(phase, {})
        for name, now in of_phase.items():
            was = before.get(name, _MISSING)
            if phase == "stack" and name in made.get("left_open", []):
                was = None
            if was is not _MISSING and was != now and name not in SAME_IMAGE:
                found[name] = was, now
    return found


def _other_finish(
    made: Mapping[str, Any], outputs: Outputs, *, is_sharpened: bool
) -> dict[str, Any]:
    """Find the options of tone and sharpening that an image was not made with."""
    tone, found = outputs.stretch or ToneOptions(), {}
    if is_sharpened and outputs.sharpen is not None:
        sharpening, tone = outputs.sharpen
        found = _differing(made.get("sharpen", {}), _plain(sharpening))
    return found | _differing(made.get("tone", _plain(ToneOptions())), _plain(tone))


def _plain(options: Any) -> dict[str, Any]:
    """Write options as metadata have them: lists in place of tuples."""
    values: dict[str, Any] = json.loads(json.dumps(as_json(options)))
    return values


def _differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Compare options with those in metadata, which leave out what is None."""
    return {name: (was.get(name), v) for name, v in now.items() if was.get(name) != v}


def _other_image(path: Location, others: Mapping[str, Any], outputs: Outputs) -> OtherImage:
    """Say what differs, and what to do about it."""
    listed = [f"{name} {_word(was)}, now {_word(now)}" for name, (was, now) in others.items()]
    named = "; ".join(listed[:NAMED]) + ("; ..." if len(listed) > NAMED else "")
    remedy = OTHER_NAME
    words = [
        name
        for name, (_, now) in others.items()
        if name in OPTION_NAMES and isinstance(now, str | int | float) and not isinstance(now, bool)
    ]
    if words and outputs.image is not None and path in outputs.stacks:
        end = "".join(f"-{name}{{{name}}}" for name in words[:2])
        remedy = f"give a name that tells them apart, such as --name '{{stem}}{end}{{suffix}}'"
    return OtherImage(path, f"was made with other options ({named})", remedy)


def _word(value: Any) -> str:
    if value is None or value == []:
        return "not given"
    return ("off", "on")[value] if isinstance(value, bool) else str(value)
