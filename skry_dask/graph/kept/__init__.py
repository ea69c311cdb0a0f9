"""Sums over frames that are kept for later runs, and found by them."""
