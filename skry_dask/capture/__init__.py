"""Any source to labelled, lazy frames: open, select, calibrate, develop."""
