"""What every room may use: errors, processes, files, waiting, and how things are written for people."""
