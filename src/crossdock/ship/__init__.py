"""Wheels in hand, loaded onto what is deployed."""
