"""Kernels that add fragments of frames to the stack."""
