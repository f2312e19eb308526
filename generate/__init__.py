"""What is made from the parsers of `kiwi` and `reconfigure`: completion, man pages and docs/commands.md."""
