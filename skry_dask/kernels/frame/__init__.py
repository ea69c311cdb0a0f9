"""Kernels over single frames and images."""
