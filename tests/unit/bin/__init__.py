"""The programs of bin/, with fakes beside them."""
