"""A cluster's beginning and end on the control host."""
