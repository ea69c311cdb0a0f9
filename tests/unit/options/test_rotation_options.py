from __future__ import annotations

from typing import Any

import pytest

from skry_dask.errors import OptionsError
from skry_dask.options import RotationOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"derotate": "jupitre"},
            "there is no globe 'jupitre': did you mean jupiter.*choose one of sun",
        ),
        (
            {"derotate": "pluto"},
            "there is no globe 'pluto': choose one of sun, mars, jupiter, saturn",
        ),
        ({"derotate": "mars", "time": "yesterday"}, "time is 'yesterday': give date and time"),
        ({"derotate": "mars", "time": "2026-11-02"}, "time is '2026-11-02': give date and time"),
        ({"derotate": "mars", "fps": 0.0}, "fps is 0.0: it must be above 0"),
        ({"derotate": "mars", "north_angle": 400.0}, "north_angle is 400.0: it must be from -360"),
        ({"derotate": "mars", "system": "II"}, "system is II, which mars does not have"),
        ({"derotate": "saturn", "system": "IV"}, "system is 'IV': choose one of I, II, III"),
        ({"time": "2026-11-02T21:14:03Z"}, "time is 2026.*without derotate: name the globe"),
        ({"mirrored": True}, "mirrored is True without derotate"),
    ],
)
def test_wrong_options_are_refused_with_the_remedy(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        RotationOptions(**options)


def test_times_become_utc() -> None:
    texts = ["2026-11-02T21:14:03Z", "2026-11-02 21:14:03", "2026-11-02T22:14:03+01:00"]
    times = {RotationOptions(derotate="mars", time=text).time for text in texts}
    assert times == {"2026-11-02T21:14:03.000000Z"}
