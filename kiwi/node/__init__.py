"""The duty of a booked node: its gate and its clean-up."""
