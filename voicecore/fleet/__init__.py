"""Several server processes behind one port: a parent that accepts, members that serve."""
