"""Terraform: its command line and its JSON."""
