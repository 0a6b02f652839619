"""What `sam build` and `sam package` do: `python lambda_builders.py APPLICATION REQUIREMENTS RUNTIME TREE ZIP`.

Runs where aws-lambda-builders is installed, and needs nothing else.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

from aws_lambda_builders.builder import LambdaBuilder  # type: ignore[import-not-found]


def build(application: str, requirements: str, runtime: str, tree: str) -> None:
    """Let the workflow for pip install the packages for arm64 and copy the application."""
    builder = LambdaBuilder(language="python", dependency_manager="pip", application_framework=None)
    builder.build(
        source_dir=application,
        artifacts_dir=tree,
        scratch_dir=f"{tree}-scratch",
        manifest_path=requirements,
        runtime=runtime,
        architecture="arm64",
        executable_search_paths=[str(Path(sys.executable).parent)],
    )


def package(tree: str, output: str) -> None:
    """Zip a directory as aws-sam-cli's `make_zip_with_permissions` does, which dates all to 1980."""
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for root, _, files in os.walk(tree):
            for name in files:
                path = Path(root, name)
                info = zipfile.ZipInfo(str(path.relative_to(tree)))
                info.create_system = 3
                info.external_attr = path.stat().st_mode << 16
                archive.writestr(info, path.read_bytes(), compress_type=zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    build(*sys.argv[1:5])
    package(sys.argv[4], sys.argv[5])
