"""Debian's package archives: apt's settings, signed releases, package lists, and what depends on what."""
