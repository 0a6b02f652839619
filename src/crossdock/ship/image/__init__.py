"""Wheels in hand -> layers -> an image for several platforms, and the places it goes to."""
