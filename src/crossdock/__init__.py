"""crossdock ships Python applications to platforms you are not on."""

__version__ = "0.1.0"
