"""A base image made of Debian's packages: no daemon, no shell, no installation script runs."""
