"""What the refine phase consists of."""
