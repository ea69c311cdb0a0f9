"""Kernels that find blocks of the reference in a frame."""
