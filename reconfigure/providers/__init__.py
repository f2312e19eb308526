"""Providers of machines, beside their Terraform modules."""
