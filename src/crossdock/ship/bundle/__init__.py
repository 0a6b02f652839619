"""A zip for places that run functions: AWS Lambda and its layers, and other clouds' bundles."""
