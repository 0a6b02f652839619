"""What a binary needs, and whether it fits a target."""
