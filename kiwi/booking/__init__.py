"""Bookings: their rules, the document that holds them, heartbeats."""
