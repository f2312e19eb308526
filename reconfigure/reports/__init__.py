"""What people and Prometheus read of a cluster: states, reasons, metrics."""
