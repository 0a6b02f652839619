"""Strict reading and reproducible writing of zip, tar, wheel and sdist."""
