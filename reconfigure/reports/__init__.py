"""What people and Prometheus are told: states, reasons, metrics."""
