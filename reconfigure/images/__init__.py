"""Images that machines are made from."""
