"""A service that takes orders and sums them."""
