"""The development files of the target's Python: found, fetched, or made from the host's by what differs."""
