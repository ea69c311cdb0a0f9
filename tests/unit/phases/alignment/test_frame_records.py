"""Frames too far from the others are dropped until the rest overlap enough."""

import numpy as np

from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.frame_records import RECORD, drop_far_frames


def test_dropping_far_frames_keeps_the_reason_of_inactive_ones():
    records = np.zeros(5, RECORD)
    records["x"] = [0, 1, 90, 2, 60]
    records["reason"][2] = Reason.NOT_RECOGNISED
    kept = drop_far_frames(records, (100, 100), 0.5)
    reasons = [0, 0, Reason.NOT_RECOGNISED, 0, Reason.TOO_LITTLE_OVERLAP]
    np.testing.assert_array_equal(kept["reason"], reasons)
    np.testing.assert_array_equal(kept["x"], records["x"])
    assert records["reason"][4] == 0, "the given records were changed"


def test_at_least_one_frame_stays():
    records = np.zeros(4, RECORD)
    records["y"] = [0, 30, 60, 90]
    for min_overlap in (0.01, 0.5, 1.0):
        kept = drop_far_frames(records, (100, 100), min_overlap)
        assert (kept["reason"] == Reason.ACTIVE).any()


def test_without_active_frames_nothing_changes():
    records = np.zeros(3, RECORD)
    records["reason"] = Reason.NOTHING_TO_SEE
    np.testing.assert_array_equal(drop_far_frames(records, (100, 100), 0.5), records)


def test_the_largest_set_of_frames_that_overlap_is_kept():
    records = np.zeros(100, RECORD)
    # Most of the time is spent at the beginning; the median lies in the drift that follows.
    records["x"] = np.r_[np.linspace(0, 2, 45), np.linspace(3, 500, 55)]
    kept = drop_far_frames(records, (100, 100), 0.5)
    active = kept["reason"] == Reason.ACTIVE
    assert active[:45].all()
    assert np.ptp(records["x"][active]) <= 50
    assert active.sum() >= 50
