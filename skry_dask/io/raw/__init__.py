"""Raw video with frames at fixed offsets, read in place: SER and uncompressed AVI."""
