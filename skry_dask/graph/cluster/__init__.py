"""Clusters of dask.distributed: connecting, checking workers, and computing without hanging."""
