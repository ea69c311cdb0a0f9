"""What the derotation of a capture is made of: times of frames, and how blocks of them move."""
