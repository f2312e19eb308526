"""Site data: what an administrator edits about a cluster, and how it is read and checked."""
