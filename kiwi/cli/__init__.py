"""The command `kiwi`."""
