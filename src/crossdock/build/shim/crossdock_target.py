"""Makes the Python of a build environment answer as the target. Runs inside builds: the standard library only.

A `.pth` file imports it at each start. It does nothing unless CROSSDOCK_BUILD_TARGET names the description that crossdock
wrote. `_PYTHON_HOST_PLATFORM` and `_PYTHON_SYSCONFIGDATA_NAME` (Lib/sysconfig) make sysconfig's variables the target's;
this adds what they do not reach.
"""

import os
import sys


def activate(path):
    """Change what this process says of its platform to what the description at `path` says."""
    import json

    with open(path, encoding="utf-8") as stream:
        target = json.load(stream)
    _sysconfig(target)
    if not _means_this_machine():
        _platform(target)
        _sizes(target)


def _sysconfig(target):
    import sysconfig

    schemes = getattr(sysconfig, "_INSTALL_SCHEMES", {})
    for scheme in schemes.values():
        # get_path("include") is worked out from the base prefix, not from the variables.
        scheme["include"] = scheme["platinclude"] = target["include"]
    sysconfig.get_config_vars().update(target["variables"])


def _means_this_machine():
    """Meson asks for the machine that builds, and learns of the target from its cross file."""
    words = [os.path.basename(word) for word in getattr(sys, "orig_argv", sys.argv)[1:3]]
    return bool({"meson", "meson.py", "mesonmain.py"} & set(words))


def _platform(target):
    import platform

    uname = target["uname"]
    if hasattr(os, "uname"):
        result = os.uname_result(
            (uname["system"], "build", uname["release"], uname["version"], uname["machine"])
        )
        os.uname = lambda: result
    platform.system = lambda: uname["system"]
    platform.machine = lambda: uname["machine"]
    platform.processor = lambda: uname["processor"]
    platform.release = lambda: uname["release"]
    platform.version = lambda: uname["version"]
    platform.node = lambda: "build"
    platform.platform = lambda *args, **kwargs: target["platform_platform"]
    platform.libc_ver = lambda *args, **kwargs: tuple(target["libc"])
    platform.architecture = lambda *args, **kwargs: (target["bits"], target["linkage"])
    values = (uname["system"], "build", uname["release"], uname["version"], uname["machine"])
    known = platform.uname_result(*values, *([uname["processor"]] if sys.version_info < (3, 9) else []))
    platform.uname = lambda: known
    if target["mac_ver"]:
        platform.mac_ver = lambda *args, **kwargs: (target["mac_ver"], ("", "", ""), uname["machine"])
    if target["multiarch"]:
        sys.implementation._multiarch = target["multiarch"]
    if target["sys_platform"] != sys.platform:
        _foreign_system(target)


def _foreign_system(target):
    """Let what picks its implementation by sys.platform pick this machine's first, then change the name."""
    import contextlib
    import importlib
    import types

    for name in (
        "asyncio", "concurrent.futures.thread", "ctypes", "ctypes.util", "encodings.idna", "getpass", "http.client",
        "locale", "multiprocessing", "multiprocessing.connection", "pathlib", "pty", "random", "select", "selectors",
        "shutil", "signal", "site", "socket", "ssl", "subprocess", "tarfile", "tempfile", "threading", "urllib.request",
        "uuid", "webbrowser", "zipfile", "zoneinfo",
    ):  # fmt: skip
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if target["sys_platform"] == "darwin":
        proxies = types.ModuleType("_scproxy")
        proxies._get_proxy_settings = proxies._get_proxies = dict
        sys.modules.setdefault("_scproxy", proxies)
        support = types.ModuleType("_osx_support")
        support.compiler_fixup = lambda compiler, flags: compiler
        support.customize_compiler = lambda variables: variables
        support.customize_config_vars = lambda variables: variables
        support.get_platform_osx = lambda variables, system, release, machine: (system, release, machine)
        sys.modules["_osx_support"] = support
    elif target["sys_platform"] == "win32":
        _registry()
    _keep_own_system()
    # os.name stays: what uses files and processes by it works on this machine.
    sys.platform = target["sys_platform"]
    _suffixes(target)


def _registry():
    """Have a registry in which nothing is: what looks for Microsoft's compiler finds that there is none."""
    import types

    registry = types.ModuleType("winreg")

    def missing(*_arguments, **_more):
        raise FileNotFoundError(2, "no registry")

    for name in (
        "OpenKey",
        "OpenKeyEx",
        "ConnectRegistry",
        "QueryValueEx",
        "QueryValue",
        "EnumKey",
        "EnumValue",
    ):
        setattr(registry, name, missing)
    for number, name in enumerate(
        ("HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER", "HKEY_CLASSES_ROOT", "HKEY_USERS")
    ):
        setattr(registry, name, number)
    registry.KEY_READ = registry.KEY_WOW64_32KEY = registry.KEY_WOW64_64KEY = 0
    registry.error = OSError
    sys.modules.setdefault("winreg", registry)


def _keep_own_system():
    """Let the modules that do the work here, such as `shutil.which`, go on as on this machine.

    They read `sys.platform` when they are called: theirs is a `sys` of their own, whose platform stays.
    """
    import types

    platform = sys.platform

    class Own(types.ModuleType):
        def __getattr__(self, name):
            return getattr(sys, name)

        def __setattr__(self, name, value):
            setattr(sys, name, value)

    own = Own("sys")
    own.__dict__["platform"] = platform
    for name, module in list(sys.modules.items()):
        worker = name.partition(".")[0] in {
            "asyncio", "concurrent", "ctypes", "locale", "multiprocessing", "pathlib", "random", "selectors", "shutil",
            "signal", "site", "socket", "ssl", "subprocess", "tempfile", "threading", "urllib", "uuid", "webbrowser",
            "zipfile",
        }  # fmt: skip
        if worker and getattr(module, "sys", None) is sys:
            module.sys = own


def _suffixes(target):
    """Say how a module's name ends where setuptools and others look for it, above all in the stable ABI."""
    import importlib.machinery

    ending = target["variables"].get("EXT_SUFFIX", "")
    if ending.endswith(".pyd"):
        # The finders have theirs already: what is imported here is still found.
        importlib.machinery.EXTENSION_SUFFIXES[:] = [ending, ".pyd"]


def _sizes(target):
    """sys.maxsize and the size of a pointer are how a setup.py tells 32 bits; byte order how it tells endianness."""
    if target["bits"] == "32bit" and sys.maxsize > 2**32:
        import contextlib
        import struct

        with contextlib.suppress(ImportError):
            import ctypes  # noqa: F401 - it holds the sizes of its types against struct's when it is imported
        sys.maxsize = 2**31 - 1
        real = struct.calcsize
        sizes = {"P": 4, "@P": 4, "l": 4, "@l": 4, "L": 4, "n": 4, "N": 4}
        struct.calcsize = lambda form: sizes[form] if form in sizes else real(form)
    if target["endian"] != sys.byteorder:
        import array  # noqa: F401 - what works with the machine's own order has it before the name changes
        import pickle  # noqa: F401
        import zipimport  # noqa: F401

        sys.byteorder = target["endian"]


if os.environ.get("CROSSDOCK_BUILD_TARGET"):
    activate(os.environ["CROSSDOCK_BUILD_TARGET"])
