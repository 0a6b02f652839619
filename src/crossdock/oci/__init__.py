"""The values of the OCI specifications: descriptors, manifests, indexes, blobs and where their bytes lie."""
