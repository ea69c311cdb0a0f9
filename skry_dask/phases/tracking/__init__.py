"""The parts of the track phase: reference points, matching, displacement field, dispersion."""
