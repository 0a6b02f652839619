"""The command line: one thin file a command; the only floor that prints, reads the environment or looks at the host."""
