"""Options of sharpening: a method, and how strongly it sharpens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.values import check_range, choice

N_LAYERS = 6
"""Number of wavelet layers: detail of about 1, 2, 4, 8, 16 and 32 px."""

MOST_MASKS = 8
"""Most unsharp masks that are applied one after the other."""


class SharpenMethod(StrEnum):
    """How an image is sharpened."""

    AUTO = "auto"
    RICHARDSON_LUCY = "richardson-lucy"
    WIENER = "wiener"
    WAVELETS = "wavelets"
    UNSHARP = "unsharp"
    NONE = "none"


class Psf(StrEnum):
    """Shape of the point spread function: how the image of a star would look."""

    GAUSSIAN = "gaussian"
    AIRY = "airy"
    FILE = "file"


_METHOD_DEFAULTS: dict[SharpenMethod, dict[str, Any]] = {
    SharpenMethod.RICHARDSON_LUCY: {"iterations": 30, "regularisation": 0.001},
    SharpenMethod.WIENER: {"noise": 0.1},
    SharpenMethod.WAVELETS: {
        "gains": (2.5, 3.5, 2.5, 1.5, 1.0, 1.0),
        "thresholds": (3.0, 2.0, 1.0, 0.0, 0.0, 0.0),
    },
    SharpenMethod.UNSHARP: {
        "radii": (2.0,),
        "amounts": (4.0,),
        "dark_amounts": (1.5,),
        "brightness": 0.2,
    },
}
"""Defaults of the options that only one method has."""

_PSF_DEFAULTS: dict[Psf, dict[str, Any]] = {
    Psf.GAUSSIAN: {"sigma": 2.0},
    Psf.AIRY: {"obstruction": 0.3, "seeing": 2.0},
    Psf.FILE: {},
}
"""Defaults of the options that only one shape of the PSF has."""

SAMPLING = 2.5
"""Number of camera pixels to an angle of wavelength / diameter, as cameras are commonly matched to
telescopes."""

_WITH_PSF = (SharpenMethod.RICHARDSON_LUCY, SharpenMethod.WIENER)

_RANGES: dict[str, tuple[float, float]] = {
    "sigma": (0.3, 10.0),
    "sampling": (1.0, 20.0),
    "obstruction": (0.0, 0.9),
    "seeing": (0.0, 20.0),
    "iterations": (1, 500),
    "regularisation": (0.0, 0.1),
    "noise": (1e-6, 1.0),
    "gains": (0.0, 100.0),
    "thresholds": (0.0, 100.0),
    "radii": (0.3, 50.0),
    "amounts": (0.0, 100.0),
    "dark_amounts": (0.0, 100.0),
    "brightness": (0.0, 1.0),
    "overshoot": (0.0, 1.0),
}
"""Smallest and largest value of each option; of a list, of each element."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SharpenOptions(NamedOptions):
    """Options of sharpening.

    Parameters
    ----------
    method
        "auto" needs no other option: it restores the contrast that the air took, as far as half
        stacks agree; "richardson-lucy" finds the image that, blurred by the PSF, looks like
        the stack; "wiener" does so in one step, by frequencies; "wavelets" amplifies detail of six
        sizes; "unsharp" adds the difference to blurred copies; "none" leaves the image as it is.
    overshoot
        How far a limb may become brighter than the surface beside it, as a fraction of the step
        from the sky; 1 = no limit.
    psf
        With richardson-lucy or wiener, shape of the point spread function: "gaussian"; "airy", a
        telescope's diffraction through air; "file" [default: gaussian].
    psf_file
        With psf "file", image of a star, or of the blur, on a dark sky.
    sigma
        With psf "gaussian", standard deviation, px [default: 2].
    sampling
        With auto or psf "airy", number of the camera's pixels to an angle of wavelength / diameter:
        wavelength times focal ratio over the size of a pixel, such as 0.00055 mm x 20 / 0.0029 mm =
        3.8. With auto, detail needs it right to 20 % [default: 2.5].
    obstruction
        With psf "airy", diameter of the central obstruction, as a fraction [default: 0.3].
    seeing
        With psf "airy", full width at half maximum of what the air adds, px [default: 2].
    iterations
        With richardson-lucy, number of iterations: more sharpen more [default: 30].
    regularisation
        With richardson-lucy, how much smoothness counts: more leaves less noise and less detail
        [default: 0.001].
    noise
        With wiener, power of noise over that of detail at the finest scale: less sharpens more
        [default: 0.1].
    gains
        With wavelets, gain of the layers of about 1, 2, 4, 8, 16 and 32 px; 1 leaves a layer as it
        is [default: 2.5 3.5 2.5 1.5 1 1].
    thresholds
        With wavelets, for each layer how many times the noise a detail must exceed to stay
        [default: 3 2 1 0 0 0].
    radii
        With unsharp, sigma of each mask's blur, px; applied one after the other [default: 2].
    amounts
        With unsharp, amount of each mask where the image is bright [default: 4].
    dark_amounts
        With unsharp, amount of each mask where the image is dark, and noise prevails [default:
        1.5].
    brightness
        With unsharp, brightness around which the amount changes, as a fraction of the image's range
        [default: 0.2].

    Raises
    ------
    OptionsError
        A value lies outside its range, or options contradict each other.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.SharpenOptions(method="wavelets", gains=(3, 4, 2, 1, 1, 1))
    SharpenOptions(method='wavelets', gains=(3.0, 4.0, 2.0, 1.0, 1.0, 1.0))
    """

    phase: ClassVar[str] = "sharpen"
    version: ClassVar[int] = 3

    method: SharpenMethod = SharpenMethod.AUTO
    overshoot: float = 0.03
    psf: Psf | None = None
    psf_file: str | None = None
    sigma: float | None = None
    sampling: float | None = None
    obstruction: float | None = None
    seeing: float | None = None
    iterations: int | None = None
    regularisation: float | None = None
    noise: float | None = None
    gains: tuple[float, float, float, float, float, float] | None = None
    thresholds: tuple[float, float, float, float, float, float] | None = None
    radii: tuple[float, ...] | None = None
    amounts: tuple[float, ...] | None = None
    dark_amounts: tuple[float, ...] | None = None
    brightness: float | None = None

    def __post_init__(self) -> None:
        """Check every value, and set the defaults of the chosen method and PSF."""
        object.__setattr__(self, "method", choice("method", self.method, SharpenMethod))
        self._settle_psf()
        self._settle_sampling()
        for method, defaults in _METHOD_DEFAULTS.items():
            self._settle(defaults, chosen=method is self.method, owner=f"method {method}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, tuple):
                for element in value:
                    check_range(name, element, low, high)
            elif value is not None:
                check_range(name, value, low, high)
        self._check_lists()

    @property
    def uses_halves(self) -> bool:
        """Whether half stacks help the method."""
        return self.method in (SharpenMethod.AUTO, SharpenMethod.WAVELETS)

    def _settle_psf(self) -> None:
        """Choose the PSF and the defaults of its shape; refuse options of another one."""
        if self.psf_file is not None:
            object.__setattr__(self, "psf_file", str(self.psf_file))
        if self.psf is not None:
            object.__setattr__(self, "psf", choice("psf", self.psf, Psf))
        given = {name: getattr(self, name) for name in ("psf", "psf_file")}
        if self.method not in _WITH_PSF:
            for name, value in given.items():
                if value is not None:
                    raise OptionsError(
                        f"{name} is {value}, but method {self.method} has no PSF: leave it out, or "
                        "choose method richardson-lucy or wiener"
                    )
        elif self.psf is None:
            psf = Psf.GAUSSIAN if self.psf_file is None else Psf.FILE
            object.__setattr__(self, "psf", psf)
        if self.psf is Psf.FILE and self.psf_file is None:
            raise OptionsError("psf is file, but there is no psf_file: name the image of the PSF")
        if self.psf is not None and self.psf is not Psf.FILE and self.psf_file is not None:
            raise OptionsError(
                f"psf {self.psf} and psf_file {self.psf_file} contradict each other: give one of "
                "them"
            )
        for psf, defaults in _PSF_DEFAULTS.items():
            owner = f"psf {psf}" if self.psf else "method richardson-lucy or wiener"
            self._settle(defaults, chosen=psf is self.psf, owner=owner)

    def _settle_sampling(self) -> None:
        """Set the default of the sampling, or refuse it where it means nothing."""
        if self.psf is Psf.AIRY or self.method is SharpenMethod.AUTO:
            if self.sampling is None:
                object.__setattr__(self, "sampling", SAMPLING)
        elif self.sampling is not None:
            raise OptionsError(
                f"sampling is {self.sampling}, but belongs to method auto and to psf airy: leave "
                "it out, or choose one of them"
            )

    def _settle(self, defaults: dict[str, Any], *, chosen: bool, owner: str) -> None:
        """Set the defaults of the chosen method or PSF, and refuse the options of the others."""
        for name, default in defaults.items():
            value = getattr(self, name)
            if value is None and chosen:
                object.__setattr__(self, name, default)
            elif value is not None and not chosen:
                raise OptionsError(
                    f"{name} is {_in_words(value)}, but belongs to {owner}: leave it out, or "
                    f"choose {owner}"
                )
            elif value is not None and isinstance(default, tuple):
                object.__setattr__(self, name, _numbers(name, value))

    def _check_lists(self) -> None:
        """Check how many numbers lists have."""
        for name in ("gains", "thresholds"):
            values = getattr(self, name)
            if values is not None and len(values) != N_LAYERS:
                raise OptionsError(
                    f"{name} is {_in_words(values)}: it must be {N_LAYERS} numbers, one for each "
                    "layer"
                )
        radii = self.radii
        if radii is None:
            return
        if not 1 <= len(radii) <= MOST_MASKS:
            raise OptionsError(f"radii are {len(radii)} numbers: give 1 to {MOST_MASKS}")
        for name in ("amounts", "dark_amounts"):
            values = getattr(self, name)
            if len(values) == 1:  # the same for all masks
                object.__setattr__(self, name, values * len(radii))
            elif len(values) != len(radii):
                raise OptionsError(
                    f"{name} is {_in_words(values)}: give one number, or one for each of the "
                    f"{len(radii)} radii"
                )


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    """Convert a list of numbers to a tuple."""
    if isinstance(values, Sequence) and not isinstance(values, str):
        try:
            return tuple(float(value) for value in values)
        except (TypeError, ValueError):
            pass
    raise OptionsError(f"{name} is {values!r}: it must be numbers")


def _in_words(value: Any) -> str:
    """Write a value as it is given on the command line."""
    return " ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
