"""The host CA, keys and certificates, and client configuration."""
