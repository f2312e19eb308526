"""A cluster's folder on the control host: paths, files, lock, journal, queue."""
