"""Options in TOML files: what is written is read as it was, and mistakes are named."""

import pytest

from skry_dask.errors import OptionsError
from skry_dask.options import StackOptions
from skry_dask.options.files import from_toml, to_toml
from skry_dask.options.sharpening import SharpenOptions

KINDS = (SharpenOptions, StackOptions)


def test_what_was_saved_is_read_as_it_was():
    sharpen = SharpenOptions(method="richardson-lucy", psf_file='C:\\stars\\"ä" \x7f.tif')
    stack = StackOptions(drizzle=1.5, normalise=True)
    text = to_toml(sharpen, stack)
    assert from_toml(text.encode(), "a.toml", *KINDS) == {"sharpen": sharpen, "stack": stack}


def test_a_file_by_hand_may_leave_out_what_is_default():
    found = from_toml("[sharpen]\nmethod = 'wavelets'\ngains = [1, 2, 3, 1, 1, 1]", "a", *KINDS)
    assert found == {"sharpen": SharpenOptions(method="wavelets", gains=(1, 2, 3, 1, 1, 1))}


WRONG = {
    "[sharpen": "a.toml is no TOML: ",
    "": r"a.toml has no options: begin with \[sharpen\] or \[stack\]",
    "[sharpn]": r"a.toml has \[sharpn\]: did you mean \[sharpen\]\?",
    "[moon]": r"a.toml has \[moon\]: there is no such table: there are \[sharpen\], \[stack\]",
    "sharpen = 3": r"a.toml has sharpen = 3: write \[sharpen\]",
    "[sharpen]\nsigmas = 2": r"a.toml has sigmas in \[sharpen\]: did you mean sigma\?",
    "[sharpen]\nmethod = 'wiener'\nsigma = 99": "a.toml: sigma is 99: it must be from 0.3 to 10",
    "[sharpen]\novershoot = 'wide'": "a.toml: overshoot is 'wide': it must be a number from",
    "[sharpen]\nversion = 99": r"a.toml has \[sharpen\] of version 99, but this program has",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_named_with_the_remedy(text):
    with pytest.raises(OptionsError, match=WRONG[text]):
        from_toml(text, "a.toml", *KINDS)


def test_a_file_must_be_text():
    with pytest.raises(OptionsError, match=r"a\.toml is no text in UTF-8: save it as UTF-8"):
        from_toml(b"\xff\xfe[\0", "a.toml", *KINDS)
