"""Files for a Bazel workspace: a lock of wheels for many platforms, and the Starlark that reads it."""
