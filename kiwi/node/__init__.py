"""A booked node's own duty: gate and clean-up."""
