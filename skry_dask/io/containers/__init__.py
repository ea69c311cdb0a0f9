"""The structure of container files: RIFF and MP4."""
