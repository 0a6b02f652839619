"""Repositories of the wheels in lock.json, and the hub that chooses between them by platform.

Written by `crossdock bazel`; changes are lost when it is run again. `extensions.bzl` (MODULE.bazel) and `deps.bzl`
(WORKSPACE) are two ways to the same `crossdock_repositories`.
"""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "read_netrc", "use_netrc")

_WHEEL = """\
load("@rules_python//python:py_library.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

filegroup(
    name = "whl",
    srcs = [{file}],
)

filegroup(
    name = "extracted_whl_files",
    srcs = glob(["site-packages/**"]),
)

filegroup(
    name = "dist_info",
    srcs = glob(["site-packages/*.dist-info/**"]),
)

filegroup(
    name = "data",
    srcs = glob(
        ["site-packages/**"],
        exclude = [
            "site-packages/*.dist-info/**",
            "**/*.py",
            "**/*.pyc",
        ],
        allow_empty = True,
    ),
)

# Without what it needs: that differs between platforms, so it is in the hub.
py_library(
    name = "own",
    srcs = glob(
        ["site-packages/**/*.py"],
        allow_empty = True,
    ),
    data = glob(
        ["site-packages/**"],
        exclude = [
            "**/*.py",
            "**/*.pyc",
        ],
    ),
    imports = {imports},
)
"""

# What Bazel would put there is empty, and would hide the other parts of the package (PEP 420; `legacy_create_init`).
_NAMESPACE = "__path__ = __import__(\"pkgutil\").extend_path(__path__, __name__)\n"

def _auth(rctx):
    home = rctx.os.environ.get("HOME", rctx.os.environ.get("USERPROFILE", ""))
    place = rctx.os.environ.get("NETRC", home + "/.netrc" if home else "")
    if not place or not rctx.path(place).exists:
        return {}
    return use_netrc(read_netrc(rctx, place), rctx.attr.urls, {})

def _wheel_impl(rctx):
    file = rctx.attr.filename
    if rctx.attr.urls:
        rctx.download(url = rctx.attr.urls, output = file, sha256 = rctx.attr.sha256, auth = _auth(rctx))
    else:
        # Through a URL, so that its hash is checked as that of any other; and through a link, since a URL of the
        # workspace's own path could have a `#` in it.
        rctx.symlink(rctx.attr.file, "checked-in.whl")
        place = str(rctx.path("checked-in.whl"))
        rctx.download(
            url = "file://" + (place if place.startswith("/") else "/" + place),
            output = file,
            sha256 = rctx.attr.sha256,
        )
        rctx.delete("checked-in.whl")
    rctx.symlink(file, "wheel.zip")  # extract() goes by the extension
    rctx.extract("wheel.zip", output = "site-packages")
    rctx.delete("wheel.zip")
    for path in rctx.attr.build_files:
        rctx.delete("site-packages/" + path)
    for path in rctx.attr.namespaces:
        rctx.file("site-packages/" + path + "/__init__.py", _NAMESPACE, executable = False)
    imports = ["site-packages"] + ["site-packages/" + path for path in rctx.attr.imports]
    rctx.file("BUILD.bazel", _WHEEL.format(file = repr(file), imports = repr(imports)), executable = False)

crossdock_wheel = repository_rule(
    implementation = _wheel_impl,
    attrs = {
        "build_files": attr.string_list(doc = "Files that would make packages of directories: they are left out."),
        "file": attr.label(doc = "The wheel, where there are no URLs.", allow_single_file = True),
        "filename": attr.string(mandatory = True),
        "imports": attr.string_list(doc = "Directories to import from, beside the root."),
        "namespaces": attr.string_list(doc = "Import packages without an `__init__.py`."),
        "sha256": attr.string(mandatory = True),
        "urls": attr.string_list(),
    },
    doc = "One wheel, extracted.",
    environ = ["NETRC"],
)

_SETTING = """
config_setting(
    name = "{name}",
    constraint_values = {constraints},
)
"""

_ALIAS = """
alias(
    name = "{name}",
    actual = select(
        {arms},
        no_match_error = "{error}",
    ),
)
"""

_LIBRARY = """
py_library(
    name = "{name}",
    deps = {deps},
)
"""

_LAYER = """
crossdock_layer(
    name = "{name}",
    wheels = {wheels},
    allow_bad_record = {bad},
    direct_urls = {direct_urls},
    prefix = "{prefix}",
    python = "{python}",
)
"""

_PUBLIC = "package(default_visibility = [\"//visibility:public\"])\n"
_PY_LIBRARY = "load(\"@rules_python//python:py_library.bzl\", \"py_library\")\n\n"

def _name(package):
    """Return a package's name as labels have it: that of rules_python."""
    return package.replace("-", "_").replace(".", "_")

def _package_of(label):
    """Return the package of a label of the main repository, as other repositories can say it."""
    text = str(label)
    return ("@" + text if text.startswith("//") else text).rpartition(":")[0]

def _error(what, lock, targets):
    missing = [name for name in lock["targets"] if name not in targets]
    text = "%s: not locked for this platform; locked for: %s" % (what, ", ".join(sorted(targets)))
    if missing:
        text += "; not needed on: " + ", ".join(sorted(missing))
    return text

def _alias(name, arms, error):
    return _ALIAS.format(name = name, arms = repr(arms), error = error)

def _circle(lock, target, package):
    """Return the number of the circle that a package is in, or -1."""
    for number, group in enumerate(lock["targets"][target]["circles"]):
        if package in group:
            return number
    return -1

def _library(lock, target, package):
    """Return the label of a package with all that it needs, for one target."""
    number = _circle(lock, target, package)
    if number >= 0:
        return "//_circles:%s_%d" % (target, number)
    return "//%s:_%s" % (_name(package), target)

def _needed(lock, target, packages):
    needs = lock["targets"][target]["needs"]
    found = {_library(lock, target, need): None for package in packages for need in needs.get(package, [])}
    own = {_library(lock, target, package): None for package in packages}
    return sorted([label for label in found if label not in own])

def _package_text(lock, package, by_target):
    text = _PY_LIBRARY + _PUBLIC
    for target, repository in by_target.items():
        if _circle(lock, target, package) < 0:
            deps = ["@%s//:own" % repository] + _needed(lock, target, [package])
            text += _LIBRARY.format(name = "_" + target, deps = repr(deps))
    error = _error(package, lock, by_target)
    arms = {"//:" + target: _library(lock, target, package) for target in by_target}
    text += _alias("pkg", arms, error)
    for label in ["whl", "data", "dist_info", "extracted_whl_files"]:
        arms = {"//:" + target: "@%s//:%s" % (repository, label) for target, repository in by_target.items()}
        text += _alias(label, arms, error)
    if _name(package) not in ["pkg", "whl", "data", "dist_info", "extracted_whl_files"]:
        text += "\nalias(\n    name = \"%s\",\n    actual = \":pkg\",\n)\n" % _name(package)
    return text

def _circles_text(lock):
    text = _PY_LIBRARY + _PUBLIC
    for target, value in lock["targets"].items():
        for number, group in enumerate(value["circles"]):
            deps = ["@%s//:own" % lock["packages"][package][target] for package in group]
            deps += _needed(lock, target, group)
            text += _LIBRARY.format(name = "%s_%d" % (target, number), deps = repr(deps))
    return text

def _layers_text(lock, here):
    text = "load(\"%s:layer.bzl\", \"crossdock_layer\")\n\n" % here + _PUBLIC
    for target, value in lock["targets"].items():
        for number, group in enumerate(value["layers"]):
            wheels = [lock["wheels"][repository] for repository in group]
            text += _LAYER.format(
                name = "%s_%d" % (target, number),
                wheels = repr(["@%s//:whl" % repository for repository in group]),
                bad = repr([wheel["filename"] for wheel in wheels if wheel.get("allow_bad_record")]),
                direct_urls = repr({
                    wheel["filename"]: wheel["direct_url"]
                    for wheel in wheels
                    if wheel.get("direct_url")
                }),
                prefix = lock["prefix"],
                python = value["python"],
            )
        names = [":%s_%d" % (target, number) for number in range(len(value["layers"]))]
        text += "\nfilegroup(\n    name = \"%s\",\n    srcs = %s,\n)\n" % (target, repr(names))
    return text

def _constraint(label, here):
    """Return a label of lock.json as this repository can say it."""
    if label.startswith(":"):
        return here + ("platforms" if here.endswith("//") else "/platforms") + label
    return here.partition("//")[0] + label if label.startswith("//") else label

def _root_text(lock, here):
    text = _PUBLIC + "\nexports_files([\"requirements.bzl\"])\n"
    for target, value in lock["targets"].items():
        constraints = [_constraint(label, here) for label in value["constraints"]]
        text += _SETTING.format(name = target, constraints = repr(constraints))
    images = {target: value for target, value in lock["targets"].items() if value["layers"]}
    if images:
        arms = {"//:" + target: "//_layers:" + target for target in images}
        text += _alias("layers", arms, _error("layers", lock, images))
    return text

_REQUIREMENTS = """\
\"\"\"What rules_python's hubs have: labels of packages by the names of distributions.\"\"\"

# What every target has.
_EVERYWHERE = {everywhere}

_BY_TARGET = {by_target}

def _label(name, what):
    package = name.lower().replace("-", "_").replace(".", "_")
    for _ in range(len(package)):
        package = package.replace("__", "_")
    return str(Label("//" + package + ":" + what))

def requirement(name):
    return _label(name, "pkg")

def whl_requirement(name):
    return _label(name, "whl")

def data_requirement(name):
    return _label(name, "data")

def dist_info_requirement(name):
    return _label(name, "dist_info")

# A package that only some targets need is in all_requirements_by_target.
all_requirements = [requirement(package) for package in _EVERYWHERE]

all_whl_requirements_by_package = {{package: whl_requirement(package) for package in _EVERYWHERE}}

all_whl_requirements = all_whl_requirements_by_package.values()

all_data_requirements = [data_requirement(package) for package in _EVERYWHERE]

all_requirements_by_target = {{
    target: [requirement(package) for package in packages]
    for target, packages in _BY_TARGET.items()
}}
"""

def _hub_impl(rctx):
    lock = json.decode(rctx.attr.lock)
    here = _package_of(rctx.attr.lock_file)
    rctx.file("BUILD.bazel", _root_text(lock, here), executable = False)
    for package, by_target in lock["packages"].items():
        rctx.file(_name(package) + "/BUILD.bazel", _package_text(lock, package, by_target), executable = False)
    rctx.file("_circles/BUILD.bazel", _circles_text(lock), executable = False)
    rctx.file("_layers/BUILD.bazel", _layers_text(lock, here), executable = False)
    targets = lock["targets"].keys()
    rctx.file("requirements.bzl", _REQUIREMENTS.format(
        everywhere = repr([name for name, found in lock["packages"].items() if len(found) == len(targets)]),
        by_target = repr({
            target: [name for name, found in lock["packages"].items() if target in found]
            for target in targets
        }),
    ), executable = False)

crossdock_hub = repository_rule(
    implementation = _hub_impl,
    attrs = {
        "lock": attr.string(doc = "What lock.json says.", mandatory = True),
        "lock_file": attr.label(doc = "Where lock.json lies.", mandatory = True),
    },
    doc = "Labels that choose a wheel by the platform: those of rules_python's hubs.",
)

def crossdock_repositories(content, lock_file):
    """Declares the repositories of a lock.

    Args:
      content: what lock.json says.
      lock_file: its label, in the main repository.

    Returns:
      The name of the hub.
    """
    lock = json.decode(content)
    if lock["form"] != 1:
        fail("lock.json is of form %s, the .bzl files beside it read form 1: run `crossdock bazel` again" % lock["form"])
    for name, wheel in lock["wheels"].items():
        crossdock_wheel(
            name = name,
            build_files = wheel.get("build_files", []),
            file = _package_of(lock_file) + ":" + wheel["file"] if "file" in wheel else None,
            filename = wheel["filename"],
            imports = wheel.get("imports", []),
            namespaces = wheel.get("namespaces", []),
            sha256 = wheel["sha256"],
            urls = wheel.get("urls", []),
        )
    crossdock_hub(name = lock["hub"], lock = content, lock_file = lock_file)
    return lock["hub"]
