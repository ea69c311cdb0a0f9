"""What derotation is made of: times of frames, the limb of a disc, and how a globe is turned."""
