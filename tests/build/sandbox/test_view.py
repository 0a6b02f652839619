"""What a build sees of the host: plain tools that work, nothing to build against, the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.build.sandbox.support import KIND, KINDS, PREFIX, PYTHON, Yard

from crossdock.build.sandbox import Mount, plain_tools, pythons
from crossdock.build.sandbox.view import host_view
from crossdock.errors import BuildError


@pytest.fixture(params=KINDS, autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv(KIND, request.param)
    # What is killed hard leaves its scratch directory behind: not in the machine's.
    scratch = tmp_path.with_name(f"{tmp_path.name}-scratch")
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    return str(request.param)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def _found(text: str) -> list[str]:
    """Leave out the mounted Python, which brings its own headers (its caller hides them)."""
    return [line for line in text.splitlines() if not line.startswith(f"{PREFIX}/") or Path("/usr") == PREFIX]


def test_no_header_of_the_host_is_there(yard: Yard) -> None:
    said = _found(yard.shell("find / -name '*.h' -not -path '/proc/*' 2>/dev/null; true"))
    # perl's Encode has one beside its modules, where no compiler looks.
    assert [path for path in said if "/perl" not in path] == []
    # The host has some, so that the test can fail.
    assert Path("/usr/include").is_dir() or list(Path("/usr/lib").rglob("*.h"))


def test_no_file_for_finding_libraries_is_there(yard: Yard) -> None:
    names = ["*.pc", "*Config.cmake", "*-config.cmake", "Find*.cmake", "*.la", "*.a"]
    wanted = " -o ".join(f"-name '{name}'" for name in names)
    assert _found(yard.shell(f"find / -not -path '/proc/*' \\( {wanted} \\) 2>/dev/null; true")) == []


def test_no_development_link_of_a_library_is_there(yard: Yard) -> None:
    said = _found(yard.shell("find / -name 'lib*.so' -not -path '/proc/*' 2>/dev/null; true"))
    # Modules of iconv and perl are named so too; a linker looks in none of their directories.
    assert [path for path in said if "/perl" not in path and "/gconv/" not in path] == []
    assert any(Path("/usr/lib").rglob("lib*.so")), "this host has none, so the test shows nothing"


def test_no_program_that_answers_for_the_host_is_found(yard: Yard) -> None:
    yard.shell(
        "PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin\n"
        "for name in cc gcc c++ g++ clang ld as ar pkg-config pkgconf cmake python3 git pg_config mysql_config "
        "xml2-config xslt-config curl-config krb5-config cargo rustc ldconfig ldd; do\n"
        "  if command -v $name; then exit 1; fi\ndone\n"
    )
    wanted = ("*-config", "pkgconf", "pkg-config", "gcc*", "cmake", "ld", "git")
    names = " -o ".join(f"-name '{name}'" for name in wanted)
    said = yard.shell(f"find / -not -path '/proc/*' \\( {names} \\) 2>/dev/null; true")
    assert [path for path in _found(said) if "/perl" not in path and "/python3" not in path] == []
    assert [path for name in wanted for path in Path("/usr/bin").glob(name)], (
        "this host has none: nothing is shown"
    )


def test_ctypes_finds_no_library_of_the_host(yard: Yard) -> None:
    code = "import ctypes.util as u; print([u.find_library(n) for n in ('z', 'ssl', 'xml2', 'ffi')])"
    assert yard.run(PYTHON, "-c", code) == 0
    assert "[None, None, None, None]" in yard.text()


def test_every_plain_tool_starts(yard: Yard) -> None:
    names = plain_tools(yard.root / "tools")
    assert {"sh", "ls", "sed", "awk", "grep", "make", "tar", "gzip", "perl", "find"} <= set(names)
    yard.mounts = (Mount(source=yard.root / "tools", place="/tools"),)
    loop = (
        "for tool in /tools/*; do\n"
        '  said=$(timeout 5 "$tool" --version </dev/null 2>&1); status=$?\n'
        '  case "$status $said" in 12[67]*|*"shared libraries"*|*"symbol lookup"*) echo "$tool: $status $said";; esac\n'
        "done\n"
    )
    assert yard.shell(loop) == ""


def test_plain_tools_hold_on_the_host_too(tmp_path: Path) -> None:
    names = plain_tools(tmp_path / "tools")
    assert plain_tools(tmp_path / "tools") == names
    assert not {"cc", "gcc", "pkg-config", "python3", "git", "cmake"} & set(names)
    assert subprocess.check_output([tmp_path / "tools" / "sh", "-c", "echo hi"], text=True) == "hi\n"


def test_perl_and_make_do_their_work(yard: Yard) -> None:
    said = yard.shell(
        "perl -MFile::Spec -MPOSIX -MEncode -e 'print File::Spec->catdir(1, 2), qq(\\n)'\n"
        "printf 'all:\\n\\t@echo made\\n' > Makefile; make -s\n"
        "printf 'x' | gzip -n | gunzip; echo | awk '{print 3}'; echo aXb | sed s/X/Y/; tar cf - Makefile | tar tf -\n"
    )
    assert said.splitlines() == ["1/2", "made", "x3", "aYb", "Makefile"]


def test_the_mounted_python_has_its_modules(yard: Yard) -> None:
    code = "import ssl, sqlite3, ctypes, lzma, bz2, zlib, uuid, hashlib, readline, multiprocessing as m; m.Lock()"
    modules = [name for name in ("readline", "sqlite3", "lzma", "bz2") if not _importable(name)]
    for name in modules:
        code = code.replace(f"{name}, ", "")
    assert yard.run(PYTHON, "-c", code) == 0, yard.text()


def _importable(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode == 0


def test_a_system_python_runs_without_a_mount(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    pythons = [place for place in host_view().shown if place.startswith("/usr/bin/python3.")]
    if not pythons:
        pytest.skip("this host has no Python of its own in /usr/bin")
    assert yard.run(pythons[0], "-c", "import json, sys; print(sys.prefix, sys.path)") == 0
    assert "/usr " in yard.text()
    assert (
        "dist-packages" not in yard.text() or yard.run("ls", "/usr/lib/python3/dist-packages/setuptools") != 0
    )


def test_identity_is_fixed(yard: Yard) -> None:
    said = yard.shell("id -u; id -g; id -un; hostname; umask; pwd; echo ~; cat /etc/passwd | wc -l")
    assert said.splitlines() == ["1000", "1000", "build", "build", "0022", "/build", "/build", "2"]
    assert yard.shell("grep -c '^Cap[PEB].*:.*0000000000000000' /proc/self/status") == "3\n"


def test_the_environment_is_what_is_given_and_the_directory(yard: Yard) -> None:
    assert yard.run("env", env={"A": "1", "B": "with space\nand line"}) == 0
    said = yard.text()
    assert sorted(said.splitlines()) == sorted(
        ["PATH=/usr/bin", "HOME=/build", "A=1", "B=with space", "and line", "PWD=/build"]
    )


def test_root_holds_what_is_named(yard: Yard) -> None:
    top = yard.shell("ls -A /").split()
    allowed = {"bin", "build", "dev", "etc", "lib", "proc", "sbin", "tmp", "usr", "var", PREFIX.parts[1]}
    assert {name for name in top if not name.startswith("lib")} <= allowed
    assert yard.shell("ls -A /etc").split() == ["group", "hostname", "hosts", "nsswitch.conf", "passwd"]
    assert yard.shell("ls -A /usr/local /usr/include /usr/src 2>/dev/null; true") == ""


def test_network_brings_names_and_certificates_but_no_home(yard: Yard) -> None:
    if not Path("/etc/resolv.conf").exists():
        pytest.skip("this host has no resolver")
    assert yard.run("cat", "/etc/resolv.conf") == 1
    assert yard.run("cat", "/etc/resolv.conf", network=True) == 0
    assert yard.run("ls", str(Path.home() / ".ssh"), network=True) == 2
    if Path("/etc/ssl/certs").is_dir():
        assert yard.run("ls", "/etc/ssl/certs", network=True) == 0
        assert yard.run("ls", "/etc/ssl/private", network=True) == 2


def test_a_sysroot_is_also_where_setup_files_look(tmp_path: Path) -> None:
    sysroot = tmp_path / "sysroot"
    for name in ("usr/include/foo.h", "usr/lib/riscv64-linux-gnu/libfoo.so", "usr/share/pkgconfig/foo.pc"):
        (sysroot / name).parent.mkdir(parents=True)
        (sysroot / name).write_text(name)
    yard = Yard(tmp_path, options={"sysroot": (sysroot, "riscv64-linux-gnu")})
    yard.mounts = (Mount(source=sysroot, place="/sysroot"),)
    said = yard.shell(
        "cat /sysroot/usr/include/foo.h /usr/include/foo.h /usr/lib/riscv64-linux-gnu/libfoo.so "
        "/lib/riscv64-linux-gnu/libfoo.so /usr/share/pkgconfig/foo.pc"
    )
    assert said.count("usr/") == 5
    assert yard.run("touch", "/usr/include/x") == 1


def test_a_sysroot_of_the_hosts_own_kind_leaves_the_hosts_libraries(tmp_path: Path) -> None:
    here = next((Path(place).parent for place in host_view().shown if "/libc.so" in place), None)
    if here is None or here.parent != Path("/usr/lib"):
        pytest.skip("this host has no directory of libraries by architecture")
    (tmp_path / "sysroot" / "usr" / "lib" / here.name).mkdir(parents=True)
    (tmp_path / "sysroot" / "usr" / "include").mkdir()
    yard = Yard(tmp_path, options={"sysroot": (tmp_path / "sysroot", here.name)})
    assert yard.run("true") == 0


def test_hidden_places_are_empty(tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "include").mkdir(parents=True)
    (given / "include" / "Python.h").write_text("x")
    (given / "lib.a").write_text("x")
    yard = Yard(tmp_path, mounts=(Mount(source=given, place="/given"),))
    yard.options = {"hide": ["/given/include", "/given/lib.a", "/given/not-there", "/elsewhere"]}
    assert yard.shell("ls -A /given/include; cat /given/lib.a; ls /given") == "include\nlib.a\n"


def test_a_python_brings_neither_headers_nor_packages(tmp_path: Path) -> None:
    prefix = tmp_path / "python"
    for name in ("include/python3.11/Python.h", "lib/pkgconfig/python3.pc", "lib/python3.11/config-3.11/Makefile",
                 "lib/python3.11/site-packages/theirs.py", "lib/python3.11/os.py", "bin/python3.11"):  # fmt: skip
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("x")
    yard = Yard(tmp_path, mounts=(Mount(source=prefix, place="/python"),))
    said = yard.shell("find /python -type f | sort")
    assert said.split() == ["/python/bin/python3.11", "/python/lib/python3.11/os.py"]


def test_of_a_python_in_a_shared_prefix_only_the_python_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in docker's images of Python, which have it in /usr/local."""
    prefix = tmp_path / "local"
    for name in ("include/foo.h", "lib/libfoo.so", "lib/libfoo.so.1", "lib/pkgconfig/foo.pc", "bin/foo-config",
                 "lib/python3.11/os.py", "lib/python3.11/site-packages/theirs.py", "bin/python3.11"):  # fmt: skip
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("x")
    (prefix / "bin" / "python3").symlink_to("python3.11")
    monkeypatch.setattr(pythons, "_SHARED", (prefix,))
    yard = Yard(tmp_path, mounts=(Mount(source=prefix, place=str(prefix)),))
    said = yard.shell(f"cd {prefix}; find . -type f | sort")
    assert said.split() == ["./bin/python3", "./bin/python3.11", "./lib/python3.11/os.py"]


def test_of_a_pythons_prefix_nothing_else_is_shown(tmp_path: Path) -> None:
    """A prefix may be a home: `--prefix=$HOME/.local`, or conda's, with the libraries of everything in it."""
    prefix = tmp_path / "home"
    names = (".ssh/id_rsa", ".netrc", "share/keyrings/login", "bin/tool", "lib/python3-secrets/x", "lib/libfoo.so.1",
             "bin/python3.11", "lib/python3.11/os.py", "lib/python3.11/site-packages/theirs.py",
             "lib/libpython3.11.so.1.0")  # fmt: skip
    for name in names:
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("x")
    for place, python in ((str(prefix), False), ("/elsewhere", True)):
        yard = Yard(tmp_path, mounts=(Mount(source=prefix, place=place, python=python),))
        said = yard.shell(f"cd {place}; find . -type f | sort")
        assert said.split() == ["./bin/python3.11", "./lib/libpython3.11.so.1.0", "./lib/python3.11/os.py"]


def test_a_prefix_without_a_known_program_is_not_shown_whole(tmp_path: Path) -> None:
    prefix = tmp_path / "home"
    for name in (".netrc", "bin/own-python", "lib/python3.11/os.py"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text("x")
    yard = Yard(tmp_path, mounts=(Mount(source=prefix, place="/python", python=True),))
    assert yard.shell("find /python -type f") == "/python/lib/python3.11/os.py\n"


def test_libraries_of_a_pythons_modules_are_there(tmp_path: Path) -> None:
    """What the interpreter's modules are linked to is there, without a list of names."""
    loaded = (
        "import glob, importlib, os, sys, sysconfig\n"
        "for path in glob.glob(sysconfig.get_path('platstdlib') + '/lib-dynload/*.so'):\n"
        "    name = os.path.basename(path).partition('.')[0]\n"
        "    if name != '_tkinter':\n"
        "        try: importlib.import_module(name)\n"
        "        except ImportError as error: print(name, error)\n"
    )
    outside = subprocess.check_output([PYTHON, "-I", "-c", loaded], text=True, stderr=subprocess.DEVNULL)
    yard = Yard(tmp_path)
    assert yard.run(PYTHON, "-I", "-W", "ignore", "-c", loaded) == 0
    assert sorted(yard.text().splitlines()) == sorted(outside.splitlines())


def test_paths_inside(tmp_path: Path, kind: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (tmp_path / "link").symlink_to(given)
    yard = Yard(tmp_path, mounts=(Mount(source=tmp_path / "link", place="/given"),))
    sandbox = yard.sandbox()
    assert sandbox.kind == kind
    assert sandbox.inside(yard.build) == "/build"
    assert sandbox.inside(yard.build / "a" / "b") == "/build/a/b"
    assert sandbox.inside(given / "x") == sandbox.inside(tmp_path / "link" / "x") == "/given/x"
    assert sandbox.inside("/usr/bin/sed") == "/usr/bin/sed"
    with pytest.raises(ValueError, match="in none of"):
        sandbox.inside(tmp_path / "other")
    with pytest.raises(ValueError, match="in none of"):
        sandbox.inside("/usr/include/zlib.h")


def test_the_innermost_mount_counts(tmp_path: Path) -> None:
    inner = tmp_path / "build" / "deep"
    inner.mkdir(parents=True)
    yard = Yard(tmp_path, mounts=(Mount(source=inner, place="/deep"),))
    assert yard.sandbox().inside(inner / "x") == "/deep/x"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_exit_statuses(yard: Yard, script: str, status: int) -> None:
    assert yard.run("/bin/sh", "-c", script) == status


def test_a_program_that_is_not_there(yard: Yard) -> None:
    assert yard.run("/no/such/program") == 127
    assert "/no/such/program" in yard.text()


def test_no_option_is_smuggled_through_a_variable(yard: Yard) -> None:
    with pytest.raises(BuildError) as caught:
        yard.run("true", env={"A": "x\0--bind\0/\0/host"})
    assert caught.value.code == "E-BUILD-SANDBOX"


def test_output_comes_while_it_runs(yard: Yard) -> None:
    import threading

    from tests.build.sandbox.support import until

    done: list[int] = []
    thread = threading.Thread(
        target=lambda: done.append(
            yard.run("/bin/sh", "-c", "echo early; until [ -e go ]; do sleep 0.05; done; echo late")
        )
    )
    thread.start()
    assert until(lambda: yard.log.exists() and yard.text() == "early\n", 20)
    (yard.build / "go").touch()
    thread.join(20)
    assert done == [0]
    assert yard.text() == "early\nlate\n"


def test_builds_run_side_by_side(tmp_path: Path) -> None:
    def build(number: int) -> list[int]:
        (tmp_path / str(number)).mkdir()
        yard = Yard(tmp_path / str(number))
        return [yard.run("/bin/sh", "-c", f"exit {number}") for _ in range(3)]

    handles = len(list(Path("/proc/self/fd").iterdir()))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(build, range(8))) == [[number] * 3 for number in range(8)]
    assert len(list(Path("/proc/self/fd").iterdir())) <= handles


def test_mounts_stay_few(yard: Yard) -> None:
    """Each costs a start 0.3 ms, so that a start stays below 30 ms."""
    assert len(host_view().shown) < 75


def test_nothing_is_left_in_the_hosts_tmp(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    yard.shell("mkdir -p /tmp/a/b; chmod 0 /tmp/a; ln -s / /var/tmp/x; mkfifo /dev/shm/f")
    assert not list((tmp_path / "t").iterdir())
