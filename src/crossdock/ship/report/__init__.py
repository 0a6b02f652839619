"""What reports of an image and of a bundle share: pages, pictures, words."""
