"""How good frames and areas are: their detail, their noise and their ranking."""
