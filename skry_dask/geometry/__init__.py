"""Positions on the canvas: regions, areas, triangles and their row spans."""
