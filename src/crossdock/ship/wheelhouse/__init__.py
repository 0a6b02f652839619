"""A wheelhouse: the files that locks need, as a static package index in a directory, and as uploads to an index."""
