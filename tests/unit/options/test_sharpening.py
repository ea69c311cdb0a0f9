"""Options of sharpening: the defaults of each method, and how wrong values are refused."""

import re

import pytest

from skry_dask.errors import OptionsError
from skry_dask.options.sharpening import SharpenOptions

WRONG = {
    "method is 'magic': choose one of": {"method": "magic"},
    "psf is 'box': choose one of gaussian, airy, file": {"psf": "box"},
    "iterations is 0: it must be from 1 to 500": {"method": "richardson-lucy", "iterations": 0},
    "iterations is 2.5: it must be a whole number": {
        "method": "richardson-lucy",
        "iterations": 2.5,
    },
    "sigma is nan: it must be from 0.3 to 10": {"method": "richardson-lucy", "sigma": float("nan")},
    "overshoot is -0.1: it must be from 0 to 1": {"overshoot": -0.1},
    "gains is -1.0: it must be from 0 to 100": {"method": "wavelets", "gains": [-1] * 6},
    "gains is 1 2: it must be 6 numbers, one for each layer": {
        "method": "wavelets",
        "gains": (1, 2),
    },
    "gains is 'high': it must be numbers": {"method": "wavelets", "gains": "high"},
    "radii are 0 numbers: give 1 to 8": {"method": "unsharp", "radii": ()},
    "amounts is 1 2: give one number, or one for each of the 3 radii": {
        "method": "unsharp",
        "radii": (1, 2, 4),
        "amounts": (1, 2),
    },
    # options of another method or PSF
    "gains is 1 1 1 1 1 1, but belongs to method wavelets: leave it out, or choose method "
    "wavelets": {"gains": (1.0,) * 6},
    "iterations is 3, but belongs to method richardson-lucy": {"method": "wiener", "iterations": 3},
    "seeing is 2, but belongs to psf airy: leave it out, or choose psf airy": {
        "method": "wiener",
        "seeing": 2,
    },
    "sigma is 2, but belongs to method richardson-lucy or wiener: leave it out": {"sigma": 2},
    "sampling is 4, but belongs to method auto and to psf airy": {
        "method": "wavelets",
        "sampling": 4,
    },
    "psf is airy, but method unsharp has no PSF: leave it out": {
        "method": "unsharp",
        "psf": "airy",
    },
    "psf gaussian and psf_file a.tif contradict each other": {
        "method": "wiener",
        "psf": "gaussian",
        "psf_file": "a.tif",
    },
    "psf is file, but there is no psf_file: name the image": {"method": "wiener", "psf": "file"},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_values_and_options_of_other_methods_are_refused(message):
    with pytest.raises(OptionsError, match=re.escape(message)):
        SharpenOptions(**WRONG[message])


def test_a_method_has_its_own_defaults_and_none_of_the_others():
    wavelets = SharpenOptions(method="wavelets")
    assert len(wavelets.gains) == len(wavelets.thresholds) == 6
    assert wavelets.sigma is wavelets.iterations is wavelets.radii is None
    assert SharpenOptions(method="richardson-lucy", psf_file="a.tif").psf == "file"
    masks = SharpenOptions(method="unsharp", radii=(1, 3), amounts=[2])
    assert masks.amounts == (2.0, 2.0)
