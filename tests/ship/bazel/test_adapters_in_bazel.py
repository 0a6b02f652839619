"""The fragment for rules_python, read by Bazel itself: its labels resolve, and each platform has the settings of one.

rules_python 2 comes from nowhere but its own host, so an extension stands in for it that has the attributes of its tags
(python/private/pypi/extension.bzl), reads the requirements, and makes a select of the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ship.bazel.hubs import MUSL, NATIVE, PURE, hub_of
from tests.support.bazel import PLATFORMS, Bazel, require_bazel

from crossdock.ship.bazel.adapters import adapter_files
from crossdock.ship.bazel.adapters.model import Request
from crossdock.ship.bazel.workspace import generated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

STAND_IN = """
def _hub_impl(rctx):
    text = "package(default_visibility = ['//visibility:public'])\\n"
    for name, values in json.decode(rctx.attr.settings).items():
        rctx.file(name + ".txt", name)
        text += "config_setting(name = %r, constraint_values = %r)\\n" % (name, values)
    arms = {":" + name: ":" + name + ".txt" for name in json.decode(rctx.attr.settings)}
    rctx.file("BUILD.bazel", text + "alias(name = 'which', actual = select(%r))\\n" % arms)

_hub = repository_rule(implementation = _hub_impl, attrs = {"settings": attr.string()})

def _pip_impl(mctx):
    settings = {}
    for tag in mctx.modules[0].tags.default:
        settings[tag.platform] = [str(label) for label in tag.config_settings]
    for tag in mctx.modules[0].tags.parse:
        for file, platform in tag.requirements_by_platform.items():
            for line in mctx.read(file).splitlines()[1:]:
                print("READ", tag.python_version, platform, line)
    _hub(name = "pypi", settings = json.encode(settings))

pip = module_extension(implementation = _pip_impl, tag_classes = {
    "default": tag_class(attrs = {
        "arch_name": attr.string(),
        "config_settings": attr.label_list(mandatory = True),
        "env": attr.string_dict(),
        "os_name": attr.string(),
        "platform": attr.string(),
        "whl_platform_tags": attr.string_list(),
    }),
    "parse": tag_class(attrs = {
        "experimental_requirement_cycles": attr.string_list_dict(),
        "hub_name": attr.string(mandatory = True),
        "python_version": attr.string(mandatory = True),
        "requirements_by_platform": attr.label_keyed_string_dict(),
        "target_platforms": attr.string_list(),
    }),
})
"""


def test_bazel_takes_the_fragment_for_rules_python(tmp_path: Path) -> None:
    require_bazel("bzlmod")
    hub = hub_of(
        ("linux/amd64", 12, {"web-app": PURE}),
        ("musllinux_1_2_x86_64", 12, {"web-app": PURE, "numlib": MUSL}),
        ("linux/arm64", 13, {"web-app": PURE, "numlib": NATIVE}),
        ("win_amd64", 12, {"web-app": PURE}),
        circles=(("numlib", "web-app"),),
    )
    package = "third_party/py"
    more = adapter_files(["rules_python"], Request(hub=hub, package=package, offline=True))
    workspace = tmp_path / "work"
    for name, content in generated(hub, {}, package=package, workspace=False, more=more).texts.items():
        path = workspace / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    fragment = more["rules_python.MODULE.bazel"].decode()
    stood_in = fragment.replace("@rules_python//python/extensions:pip.bzl", "//stand_in:pip.bzl")
    assert stood_in != fragment
    (workspace / "MODULE.bazel").write_text(
        f'module(name = "work")\nbazel_dep(name = "platforms", version = "{PLATFORMS}")\n{stood_in}'
    )
    (workspace / "stand_in").mkdir()
    (workspace / "stand_in" / "BUILD.bazel").write_text("")
    (workspace / "stand_in" / "pip.bzl").write_text(STAND_IN)
    bazel = Bazel(place=tmp_path)
    for target, platform in (
        ("linux_amd64", "linux_x86_64_glibc"),
        ("musllinux_1_2_x86_64", "linux_x86_64_musl"),
        ("win_amd64", "windows_x86_64"),
    ):
        done = bazel.run(
            workspace,
            "cquery",
            "--output=files",
            f"--platforms=//{package}/platforms:{target}",
            "@pypi//:which",
        )
        assert done.stdout.strip().endswith(f"/{platform}.txt")
        if target == "linux_amd64":
            assert f"READ 3.13 linux_aarch64_glibc numlib @ {NATIVE.urls[0]} --hash=sha256:" in done.stderr
