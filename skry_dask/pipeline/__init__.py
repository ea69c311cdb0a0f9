"""The whole job: barriers, reuse, memory, progress, outputs."""
