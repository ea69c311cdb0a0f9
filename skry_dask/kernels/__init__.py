"""Numba kernels: plain loops over numpy arrays; no options, no dask, no xarray, no validation."""
