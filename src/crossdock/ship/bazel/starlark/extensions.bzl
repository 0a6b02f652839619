"""For MODULE.bazel: the repositories of lock.json.

    crossdock = use_extension("//third_party/py:extensions.bzl", "crossdock")
    crossdock.lock(file = "//third_party/py:lock.json")
    use_repo(crossdock, "pypi")

Written by `crossdock bazel`; changes are lost when it is run again.
"""

load(":repositories.bzl", "crossdock_repositories")

def _crossdock_impl(mctx):
    direct = []
    for module in mctx.modules:
        for tag in module.tags.lock:
            hub = crossdock_repositories(mctx.read(tag.file), tag.file)
            if module.is_root:
                direct.append(hub)
    return mctx.extension_metadata(
        root_module_direct_deps = direct,
        root_module_direct_dev_deps = [],
        # The lock decides all of it, hashes included: MODULE.bazel.lock needs to say nothing.
        reproducible = True,
    )

crossdock = module_extension(
    implementation = _crossdock_impl,
    tag_classes = {
        "lock": tag_class(
            attrs = {"file": attr.label(mandatory = True)},
            doc = "A lock.json of `crossdock bazel`.",
        ),
    },
)
