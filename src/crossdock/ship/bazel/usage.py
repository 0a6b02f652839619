"""USAGE.md: what the workspace of the generated files needs to say, with their own names in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.ship.bazel.model import Hub

_HEAD = """\
# What lies here, and how to use it

Written by `crossdock bazel`; changes are lost when it is run again. Check all of it in.

- `lock.json`: every wheel by hash, who needs whom on each platform, what was built here and from what.
- `repositories.bzl`, `extensions.bzl`: a repository for each wheel, and `@{hub}` that chooses by platform.
- `layer.bzl`, `packer.py`, `packer.zip`: layers of images. The packer is crossdock's own, and needs Python 3.11.
- `platforms`: a `platform()` for each target.
"""

_MODULE = """
## MODULE.bazel

```starlark
bazel_dep(name = "platforms", version = "0.0.10")
bazel_dep(name = "rules_python", version = "1.0.0")

crossdock = use_extension("//{package}:extensions.bzl", "crossdock")
crossdock.lock(file = "//{package}:lock.json")
use_repo(crossdock, "{hub}")
```
"""

_WORKSPACE = """
## WORKSPACE

```starlark
load("//{package}:deps.bzl", "crossdock_deps")

crossdock_deps()
```
"""

_BUILD = """
## BUILD.bazel

Labels are those of rules_python's hubs: `@{hub}//{package_name}`, `:whl`, `:data`, `:dist_info`, `:extracted_whl_files`, and
`requirement("{distribution}")` of `@{hub}//:requirements.bzl`.

```starlark
py_binary(
    name = "app",
    srcs = ["app.py"],
    deps = ["@{hub}//{package_name}"],
)
```
"""

_IMAGE = """
An image for every platform, with [rules_oci](https://github.com/bazel-contrib/rules_oci):

```starlark
load("@rules_oci//oci:defs.bzl", "oci_image", "oci_image_index")
load("//{package}:layer.bzl", "crossdock_application", "crossdock_environment")

crossdock_environment(
    name = "environment",
    interpreter = "/usr/local/bin/{python}",  # where the base has its Python
    prefix = "{prefix}",
    python = "{python}",
)

crossdock_application(
    name = "application",
    srcs = ["app.py"],
    prefix = "{prefix}",
    python = "{python}",
    strip_prefix = package_name(),
)

oci_image(
    name = "image",
    base = "@python_base",
    entrypoint = ["{prefix}/bin/python", "{prefix}/src/app.py"],
    tars = [
        "@{hub}//:layers",
        ":environment",
        ":application",
    ],
)

oci_image_index(
    name = "index",
    images = [":image"],
    platforms = [
{platforms}    ],
)
```
"""


def usage_text(hub: Hub, *, package: str, workspace: bool) -> str:
    """Return the text; `package` is the directory's label without `//`."""
    from crossdock.ship.image.environment import python_directory

    distribution = next(iter(hub.packages), "NAME")
    words = {
        "hub": hub.name,
        "prefix": hub.prefix,
        "package": package,
        "distribution": distribution,
        "package_name": distribution.replace("-", "_").replace(".", "_"),
    }
    text = (_HEAD + _MODULE + (_WORKSPACE if workspace else "") + _BUILD).format(**words)
    images = [one.platform for one in hub.platforms if one.layers]
    if images:
        platforms = "".join(
            f'        "//{package}{"/" if package else ""}platforms:{one.name}",\n' for one in images
        )
        python = python_directory(images[0].target.python)
        text += _IMAGE.format(**words, platforms=platforms, python=python)
    return text
