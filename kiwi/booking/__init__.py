"""The bookings of a partition: their rules, the document that holds them, the heartbeats of its nodes."""
