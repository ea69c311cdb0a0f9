"""Pieces of unfinished work in a store: measured rows, and sums over frames."""
