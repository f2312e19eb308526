"""The agent of a machine: its socket, who may ask for what, and the child that touches the share."""
