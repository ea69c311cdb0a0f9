"""Simulated captures, whose true scene, motion and blur are known."""
