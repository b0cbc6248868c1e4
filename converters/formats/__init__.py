"""What a tree of plain values means: one file per format; a module here is all that a new format needs."""
