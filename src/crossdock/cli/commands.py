"""The table of commands: their module and their line in the help. No import, so that help is instant."""

from __future__ import annotations

#: name: (module below crossdock.cli, what it does)
COMMANDS = {
    "lock": ("lock", "resolve into one pylock.toml for all targets (uv resolves)"),
    "plan": ("plan", "the grid package x target: wheel, pure sdist, cross-build, impossible, and why"),
    "check": (
        "check",
        "a report for CI: missing wheels, licences, new and yanked files; exit status by policy",
    ),
    "download": ("download", "wheel files for a target (pip download's flags are understood)"),
    "install": ("install", "a directory for a target (pip install --target's flags are understood)"),
    "build": ("build", "a wheel for a target from a source distribution, compiled with zig"),
    "retag": ("retag", "give wheels the tags that are true of what is in them, or say why not"),
    "image": (
        "image",
        "one OCI image for many platforms: to a registry, a layout, an archive, podman or docker",
    ),
    "lambda": ("lambda_", "a function's zip or layer for AWS Lambda, Google, Azure and AgentCore"),
    "mirror": ("mirror", "what locks need for many targets, as a static package index or uploaded to one"),
    "bazel": ("bazel", "files for a Bazel workspace: a hub of wheels for many platforms, and layers"),
    "verify": ("verify", "audit a wheel, directory, zip or image against a target, whoever made it"),
    "targets": ("targets", "the targets known by name, and what one means in every ecosystem's words"),
    "runtimes": ("runtimes", "where functions run from a zip: system, CPUs, limits and dates"),
    "cache": ("cache", "the store on this disk: info, verify, prune, export, import"),
    "completion": ("completion", "the completion script for bash, zsh or fish"),
}

_EXAMPLES = (
    "crossdock lock . --for linux/arm64 --for lambda-python3.12-arm64",
    "crossdock plan . --for linux/arm64 --for musllinux_1_2_x86_64 --python 3.13",
    "crossdock install . --for lambda-python3.12-arm64 --target build/",
    "crossdock download numpy pandas --for win_arm64 --python 3.13 -d wheels/",
    "crossdock build lxml==5.3.0 --for linux/arm64 --python 3.12",
    "crossdock image . --for linux/amd64 --for linux/arm64 --push registry.example.com/app:1.4",
    "crossdock lambda . --for lambda-python3.12-arm64 -o function.zip",
    "crossdock verify build/ --for lambda-python3.12-arm64",
)


def help_text() -> str:
    """Return the text of `crossdock --help`."""
    width = max(map(len, COMMANDS))
    lines = [
        "Usage: crossdock COMMAND [ARGUMENT]...",
        "",
        "Ship a Python application to a platform you are not on.",
        "",
        "SOURCE is a project directory, a pylock.toml, a requirements file, a script with inline",
        "metadata (PEP 723), or requirements. --for takes any name of a target: linux/arm64,",
        "aarch64-unknown-linux-musl, manylinux2014_aarch64, lambda-python3.12-arm64, a file ...",
        "",
        "Commands:",
        *(f"  {name:{width}}  {summary}" for name, (_module, summary) in COMMANDS.items()),
        "",
        "Options:",
        "  -V, --version  print the version",
        "  -h, --help     print this text; `crossdock COMMAND --help` says more",
        "",
        "Examples:",
        *(f"  {line}" for line in _EXAMPLES),
        "",
        "Exit status: 0 done, 1 a finding or a refusal, 2 wrong usage.",
    ]
    return "\n".join(lines) + "\n"
