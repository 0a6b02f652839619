"""One HTTP transport, and the package index on it."""
