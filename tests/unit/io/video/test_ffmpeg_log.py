"""Errors that FFmpeg logs are collected in the thread that makes them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import av

from skry_dask.io.video.ffmpeg_log import collect_errors


def test_collecting_errors_restores_the_settings_of_others() -> None:
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    with collect_errors() as outer, collect_errors() as inner:
        av.logging.log(av.logging.ERROR, "test", "two\nlines")
        av.logging.log(av.logging.ERROR, "test", "two\nlines")
        av.logging.log(av.logging.INFO, "test", "unimportant")
    assert (outer, inner) == ([], ["two lines"])
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before


def test_errors_belong_to_the_thread_that_makes_them() -> None:
    def work(number: int) -> list[str]:
        both.wait()
        with collect_errors() as errors:
            both.wait()
            av.logging.log(av.logging.ERROR, "test", f"error {number}")
            both.wait()
        return errors

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [["error 0"], ["error 1"]]
