"""A ledger that keeps its entries in PostgreSQL."""
