"""Kernels over displacements at scattered points."""
