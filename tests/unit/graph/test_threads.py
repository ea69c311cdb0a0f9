"""Work on an image is divided among threads, and gives what one thread gives."""

from __future__ import annotations

import threading

import dask
import numpy as np
import pytest
from scipy import ndimage

from skry_dask.geometry.canvas import Region
from skry_dask.graph.threads import BAND_ROWS, map_bands, n_threads, on_threads
from skry_dask.options import TrackOptions
from skry_dask.phases.tracking.point_placement import place_points


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_is_worked_on_once_by_as_many_threads_as_dask_has(workers):
    done, threads = [], set()
    together = threading.Barrier(workers, timeout=20)

    def work(item):
        threads.add(threading.get_ident())
        if item < workers:  # else one thread could do it all
            together.wait()
        done.append(item)

    with dask.config.set(num_workers=workers):
        assert n_threads() == workers
        on_threads(work, list(range(10)))
    assert sorted(done) == list(range(10))
    assert len(threads) == workers


def test_what_a_call_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        on_threads(lambda n: 1 // n, [1, 0, 2])
    on_threads(lambda n: 1 // n, [])


@pytest.mark.parametrize("height", [0, 1, 7, BAND_ROWS, 3 * BAND_ROWS + 11])
def test_bands_give_what_the_whole_image_gives(height):
    image = np.random.default_rng(0).integers(0, 9, (height, 13))
    out = np.full(image.shape, -1)

    def highest(part):
        assert len(part) <= 2 * BAND_ROWS
        return ndimage.maximum_filter(part, 5) if len(part) else part

    map_bands(highest, image, 2, out)
    np.testing.assert_array_equal(out, highest_of_whole(image))


def highest_of_whole(image):
    return ndimage.maximum_filter(image, 5) if len(image) else image


def test_points_do_not_depend_on_the_number_of_threads():
    image = np.random.default_rng(1).normal(size=(2 * BAND_ROWS + 100, 160))
    image = ndimage.gaussian_filter(image, 3).astype(np.float32)
    region = Region(0, 0, *image.shape)
    found = []
    for workers in (1, 4):
        with dask.config.set(num_workers=workers):
            found.append(place_points(image, region, TrackOptions(brightness=0)))
    assert len(found[0]) > 20
    np.testing.assert_array_equal(*found)
