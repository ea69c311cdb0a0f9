"""Kernels of finishing: blurring, and smoothness, of images in float32."""
