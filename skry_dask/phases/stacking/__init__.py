"""The parts of the stack phase: fragments, their motion, their sums and the mean images."""
