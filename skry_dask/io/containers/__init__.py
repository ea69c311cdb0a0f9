"""Structure of container files: RIFF, AVI, MP4 and Matroska."""
