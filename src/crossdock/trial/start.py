"""Run by the Python of a trial, without site-packages: `start.py LAYERS CLIENT HANDLER`, as AWS's own start does it.

Nothing of the machine's Python but its standard library is there. LAYERS are directories with the path separator
between them, the one that counts most first. The order of the module path is AWS's: the function, its layers, what
the runtime brings, the standard library; `.pth` files of the function and its layers are processed, no others.
"""

import os
import site
import sys


def main(layers: str, client: str, handler: str) -> None:
    """Set the module path and hand over to the runtime client."""
    task = os.environ["LAMBDA_TASK_ROOT"]
    versioned = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    folders = [
        os.path.join(layer, "python", below)  # noqa: PTH118
        for layer in layers.split(os.pathsep)
        if layer
        for below in (versioned, "")
    ]
    folders = [task, *(folder.rstrip("/") for folder in folders)]
    sys.path[:0] = [*folders, client]
    for folder in folders:
        site.addsitedir(folder)
    # `exit` and the like, which `site` makes and programs use.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    from awslambdaric.__main__ import main as run  # type: ignore[import-not-found]  # in the trial it is there

    run(["awslambdaric", handler])


if __name__ == "__main__":
    main(*sys.argv[1:])
