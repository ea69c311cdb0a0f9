"""Passes over frames and tables as dask graphs, and the runner that computes them."""
