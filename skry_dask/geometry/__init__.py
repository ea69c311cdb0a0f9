"""Positions on the canvas: regions, areas, and meshes of fragments."""
