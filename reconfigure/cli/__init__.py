"""The command line: arguments, tables, one module per family of commands."""
