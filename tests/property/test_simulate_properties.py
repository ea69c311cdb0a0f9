"""Simulated frames depend on the seed and their number, and on nothing else."""

import dask
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skry_dask.options.simulation import Scene, SimulateOptions
from skry_dask.simulation.simulate import simulate

seeds = st.integers(0, 2**63 - 1)


@settings(max_examples=15, deadline=None)
@given(
    scene=st.sampled_from(Scene),
    seed=seeds,
    frames=st.integers(1, 9),
    frames_per_chunk=st.integers(1, 10),
    bits=st.integers(8, 16),
    scheduler=st.sampled_from(["synchronous", "threads"]),
)
def test_chunks_and_schedulers_do_not_change_a_bit(
    scene, seed, frames, frames_per_chunk, bits, scheduler
):
    options = SimulateOptions(frames=frames, height=32, width=40, seed=seed, bits=bits)
    whole = simulate(scene, options, frames_per_chunk=frames)
    chunked = simulate(scene, options, frames_per_chunk=frames_per_chunk)
    assert chunked["frames"].chunksizes["frame"][0] == min(frames, frames_per_chunk)
    with dask.config.set(scheduler=scheduler):
        np.testing.assert_array_equal(chunked["frames"].values, whole["frames"].values)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, number=st.integers(0, 7))
def test_a_frame_computed_alone_has_the_same_bits(seed, number):
    capture = simulate("moon", SimulateOptions(frames=8, height=32, width=40, seed=seed))
    alone = capture["frames"][number].values
    np.testing.assert_array_equal(alone, capture["frames"].values[number])


@settings(max_examples=10, deadline=None)
@given(seed=seeds, drift=st.tuples(st.floats(-40, 40), st.floats(-40, 40)))
def test_a_frame_shows_the_scene_at_its_offset(seed, drift):
    options = SimulateOptions(
        frames=2,
        height=32,
        width=40,
        seed=seed,
        drift=drift,
        warp=0.0,
        blur=(1.5, 1.5),
        bits=16,
        photons=1e9,
        read_noise=0.0,
    )
    capture = simulate("moon", options)
    blurred = ndimage.gaussian_filter(capture["scene"].values.astype(np.float64), 1.5)
    black, white = capture.attrs["black"], capture.attrs["white"]
    y, x = np.mgrid[:32.0, :40.0] + capture.attrs["margin"]
    for frame, offset in zip(capture["frames"].values, capture["offset"].values, strict=True):
        expected = ndimage.map_coordinates(blurred, [y - offset[0], x - offset[1]], order=3)
        np.testing.assert_allclose((frame - black) / (white - black), expected, atol=5e-3)
