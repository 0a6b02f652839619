"""Resolve, read and write the lock, and select from it for a target."""
