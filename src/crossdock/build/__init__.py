"""A source distribution becomes a wheel."""
