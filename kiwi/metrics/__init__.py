"""What Prometheus reads of this machine."""
