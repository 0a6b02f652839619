"""Layers of images, for rules that take tars (rules_oci, rules_img): the bytes that `crossdock image` writes.

Written by `crossdock bazel`; changes are lost when it is run again.
"""

_PACKER = {
    "prefix": attr.string(default = "/app", doc = "The directory of the environment in the image."),
    "python": attr.string(
        doc = "The directory's name that has the version of the image's Python: `python3.12`, `python3.13t`.",
        mandatory = True,
    ),
    "_packer": attr.label(cfg = "exec", default = ":packer", executable = True),
}

def _begin(ctx, kind):
    """Returns the packer's arguments, for what is special to the kind of layer to be added."""
    arguments = ctx.actions.args()
    arguments.use_param_file("@%s", use_always = True)
    arguments.set_param_file_format("multiline")
    arguments.add(kind)
    arguments.add("--prefix", ctx.attr.prefix)
    arguments.add("--python", ctx.attr.python)
    return arguments

def _pack(ctx, arguments, inputs):
    """Runs the packer."""
    out = ctx.actions.declare_file(ctx.label.name + ".tar.gz")
    arguments.add("--out", out)
    ctx.actions.run(
        executable = ctx.executable._packer,
        arguments = [arguments],
        inputs = inputs,
        outputs = [out],
        mnemonic = "CrossdockLayer",
        progress_message = "Packing the layer " + str(ctx.label),
    )
    return [DefaultInfo(files = depset([out]))]

def _layer_impl(ctx):
    arguments = _begin(ctx, "wheels")
    arguments.add_all(ctx.files.wheels, before_each = "--wheel")
    arguments.add_all(ctx.attr.allow_bad_record, before_each = "--allow-bad-record")
    for name, content in ctx.attr.direct_urls.items():
        arguments.add_all(["--direct-url", name, content])
    return _pack(ctx, arguments, ctx.files.wheels)

crossdock_layer = rule(
    implementation = _layer_impl,
    attrs = dict(
        _PACKER,
        allow_bad_record = attr.string_list(doc = "File names of wheels whose RECORD may be wrong."),
        direct_urls = attr.string_dict(doc = "What direct_url.json says (PEP 610), by the wheel's file name."),
        wheels = attr.label_list(
            allow_files = [".whl"],
            doc = "Wheels, for example `@pypi//numpy:whl`.",
            mandatory = True,
        ),
    ),
    doc = "A layer with wheels as installed in an environment.",
)

def _environment_impl(ctx):
    arguments = _begin(ctx, "environment")
    arguments.add("--interpreter", ctx.attr.interpreter)
    if ctx.attr.sources:
        arguments.add("--sources")
    return _pack(ctx, arguments, [])

crossdock_environment = rule(
    implementation = _environment_impl,
    attrs = dict(
        _PACKER,
        interpreter = attr.string(
            doc = "The path of Python in the base image, for example `/usr/local/bin/python3.12`.",
            mandatory = True,
        ),
        sources = attr.bool(default = True, doc = "Let modules in PREFIX/src be imported from everywhere."),
    ),
    doc = "A layer that makes the prefix an environment of the base's Python (PEP 405).",
)

def _application_impl(ctx):
    strip = ctx.attr.strip_prefix
    if strip and not strip.endswith("/"):
        strip += "/"
    arguments = _begin(ctx, "files")
    for file in ctx.files.srcs:
        path = file.short_path
        if path.startswith("../"):
            path = path[3:].partition("/")[2]
        if strip and not path.startswith(strip):
            fail("%s: `%s` does not begin with the strip_prefix `%s`" % (ctx.label, path, strip))
        arguments.add_all(["--file", path[len(strip):], file])
    return _pack(ctx, arguments, ctx.files.srcs)

crossdock_application = rule(
    implementation = _application_impl,
    attrs = dict(
        _PACKER,
        srcs = attr.label_list(allow_files = True, mandatory = True),
        strip_prefix = attr.string(doc = "What of the files' paths in the workspace is left out."),
    ),
    doc = "A layer with files below PREFIX/src, all of mode 0644.",
)
