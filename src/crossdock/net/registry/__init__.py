"""A client of the OCI distribution specification: references, logins, blobs, manifests, uploads."""
