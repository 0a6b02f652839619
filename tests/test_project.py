"""[tool.crossdock], .python-version and the Python that completes a target's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.build.metadata import ProjectMetadata, project_metadata
from crossdock.errors import UsageError
from crossdock.project import (
    FILE_LIMIT,
    NEWEST_STABLE_MINOR,
    ImageSettings,
    Project,
    Settings,
    choose_python,
    image_additions,
    image_options,
    parse_settings,
    read_project,
)
from crossdock.project.image import AddSetting
from crossdock.ship.image.options import ImageOptions


def test_an_empty_directory_is_a_project_that_says_nothing(tmp_path: Path) -> None:
    assert read_project(tmp_path) == Project(directory=tmp_path)


def test_every_setting_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\nrequires-python = ">=3.11"\n'
        '[tool.crossdock]\ntargets = ["mine", "linux/arm64"]\npython = "3.12"\nextras = ["a"]\ngroups = ["b"]\n'
        'only-binary = [":all:"]\nno-binary = ["c"]\nallow-build = ["d"]\nallow-bad-record = ["e"]\naccept = ["f"]\n'
        'link-mode = "copy"\npython-path = "/usr/bin/python3"\nprefer-wheels = true\n'
        '[tool.crossdock.target.mine]\nos = "linux"\n'
    )
    assert read_project(tmp_path) == Project(
        directory=tmp_path,
        requires_python=">=3.11",
        metadata=ProjectMetadata(name="x"),
        settings=Settings(
            targets=("mine", "linux/arm64"),
            python="3.12",
            extras=("a",),
            groups=("b",),
            only_binary=(":all:",),
            no_binary=("c",),
            allow_build=("d",),
            allow_bad_record=("e",),
            accept=("f",),
            link_mode="copy",
            python_path="/usr/bin/python3",
            prefer_wheels=True,
            target={"mine": {"os": "linux"}},
        ),
    )


@pytest.mark.parametrize(
    ("table", "code", "said"),
    [
        ({"targts": []}, "E-SETTINGS-UNKNOWN", "did you mean `targets`?"),
        ({"only_binary": []}, "E-SETTINGS-UNKNOWN", "did you mean `only-binary`?"),
        ({"zzz": 1}, "E-SETTINGS-UNKNOWN", "known: accept, "),
        ({"targets": "linux/arm64"}, "E-SETTINGS-TYPE", "list of strings"),
        ({"targets": [1]}, "E-SETTINGS-TYPE", "list of strings"),
        ({"python": 3.12}, "E-SETTINGS-TYPE", "a string"),
        ({"prefer-wheels": 1}, "E-SETTINGS-TYPE", "true or false"),
        ({"target": {"a": 1}}, "E-SETTINGS-TYPE", "table of tables"),
        ([], "E-SETTINGS-TYPE", "not a table"),
        (7, "E-SETTINGS-TYPE", "not a table"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(table: object, code: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings(table, where="here")
    assert caught.value.code == code
    assert said in str(caught.value)
    assert "here" in caught.value.message


@pytest.mark.parametrize("content", [b"[tool", b"\xff\xfe", b"a = " + b"[" * 20_000, b"\0"])
def test_a_file_that_is_not_toml_is_wrong_usage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_project(tmp_path)
    assert caught.value.code == "E-SETTINGS-TOML"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "pyproject.toml").open("wb") as file:
        file.truncate(FILE_LIMIT + 1)
    with pytest.raises(UsageError) as caught:
        read_project(tmp_path)
    assert caught.value.code == "E-SETTINGS-SIZE"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.12\n", "3.12"),
        ("# x\n\n  3.12.4 # ours\n3.11\n", "3.12.4"),
        ("cpython-3.13", "3.13"),
        ("", None),
        ("#\n", None),
    ],
)
def test_python_version_file(tmp_path: Path, text: str, version: str | None) -> None:
    (tmp_path / ".python-version").write_text(text)
    assert read_project(tmp_path).python_version_file == version


@pytest.mark.parametrize(
    ("requires", "chosen"),
    [
        (None, f"3.{NEWEST_STABLE_MINOR}"),
        (">=3.11", f"3.{NEWEST_STABLE_MINOR}"),
        ("<3.13", "3.12"),
        ("==3.12.*", "3.12"),
        (">=3.12.4,<3.13", "3.12"),
        ("~=3.10.2", "3.10"),
        ("!=3.15.*,!=3.14.*", "3.13"),
        ("==3.12.7", "3.12"),
        ("==3.11.9", "3.11"),
        (">3.12.10,<3.12.12", "3.12"),
    ],
)
def test_the_newest_python_that_the_project_allows(tmp_path: Path, requires: str | None, chosen: str) -> None:
    assert choose_python(Project(directory=tmp_path, requires_python=requires), None)[0] == chosen


@pytest.mark.parametrize("requires", ["<3.9", ">=4", "nonsense", "==3.11.*,==3.12.*"])
def test_a_requirement_that_nothing_satisfies_is_wrong_usage(tmp_path: Path, requires: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_python(Project(directory=tmp_path, requires_python=requires), None)
    assert caught.value.code == "E-SETTINGS-REQUIRES-PYTHON"


def test_who_says_the_python(tmp_path: Path) -> None:
    project = Project(
        directory=tmp_path,
        settings=Settings(python="3.12"),
        requires_python=">=3.14",
        python_version_file="3.11",
    )
    assert choose_python(project, "3.13") == ("3.13", "--python")
    assert choose_python(project, None) == ("3.12", "[tool.crossdock] python")
    without = Project(directory=tmp_path, python_version_file="3.11")
    assert choose_python(without, None) == ("3.11", ".python-version")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
KEYS = st.sampled_from(["targets", "python", "target", "prefer-wheels", "link-mode", "extras"]) | st.text(
    max_size=12
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_table_is_settings_or_wrong_usage(table: dict[str, object]) -> None:
    try:
        parse_settings(table, where="here")
    except UsageError as error:
        assert error.code.startswith("E-SETTINGS-")  # noqa: PT017  # both outcomes are right


@given(
    st.text(max_size=20)
    | st.from_regex(re.compile(r"[<>=!~]{1,2}3\.\d{1,2}(\.\d{1,2})?(\.\*)?"), fullmatch=True)
)
def test_any_requires_python_gives_a_minor_or_wrong_usage(text: str) -> None:
    from pathlib import Path

    try:
        chosen, _why = choose_python(Project(directory=Path(), requires_python=text), None)
    except UsageError:
        return
    assert re.fullmatch(r"3\.\d+", chosen)


# [tool.crossdock.image]


def image(table: object) -> ImageSettings:
    return parse_settings({"image": table}, where="here").image


def test_every_setting_of_images_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.crossdock.image]\nbase = "debian:bookworm"\nentrypoint = ["serve", "--all"]\ncmd = ["x"]\n'
        'env = { A = "1" }\nlabels = { b = "2" }\nannotations = { c = "3" }\nworkdir = "/srv"\nuser = "1000"\n'
        'expose = ["8080", "53/udp"]\nstop-signal = "SIGINT"\nexclude = ["tests"]\nprefix = "/opt/app"\n'
        'max-layers = 80\nbytecode = true\nrepository = "registry.example.com/app"\ntags = ["1", "latest"]\n'
        'sbom = "spdx"\nprovenance = false\n'
        'add = [{ source = "a", destination = "/a/" }, { source = "b", destination = "/b", mode = "600" }]\n'
    )
    assert read_project(tmp_path).settings.image == ImageSettings(
        base="debian:bookworm",
        entrypoint=("serve", "--all"),
        cmd=("x",),
        env={"A": "1"},
        labels={"b": "2"},
        annotations={"c": "3"},
        workdir="/srv",
        user="1000",
        expose=("8080", "53/udp"),
        stop_signal="SIGINT",
        exclude=("tests",),
        prefix="/opt/app",
        max_layers=80,
        bytecode=True,
        repository="registry.example.com/app",
        tags=("1", "latest"),
        sbom="spdx",
        provenance=False,
        add=(
            AddSetting(source="a", destination="/a/"),
            AddSetting(source="b", destination="/b", mode="600"),
        ),
    )
    assert (image({"module": "a"}).module, image({"script": "b"}).script) == ("a", "b")


@pytest.mark.parametrize(
    ("table", "code", "said"),
    [
        ([], "E-SETTINGS-TYPE", "not a table"),
        ({"entry-point": []}, "E-SETTINGS-UNKNOWN", "did you mean `entrypoint`?"),
        ({"max_layers": 1}, "E-SETTINGS-UNKNOWN", "did you mean `max-layers`?"),
        ({"entrypoint": "a b"}, "E-SETTINGS-TYPE", "`entrypoint` must be a list of strings"),
        ({"env": {"A": 1}}, "E-SETTINGS-TYPE", "`env` must be a table of strings"),
        ({"expose": [80]}, "E-SETTINGS-TYPE", "`expose` must be a list of strings"),
        ({"max-layers": True}, "E-SETTINGS-TYPE", "a whole number above zero"),
        ({"max-layers": 0}, "E-SETTINGS-TYPE", "a whole number above zero"),
        ({"bytecode": 1}, "E-SETTINGS-TYPE", "true or false"),
        ({"sbom": "yes"}, "E-SETTINGS-TYPE", "both, cyclonedx, none, spdx"),
        ({"add": {}}, "E-SETTINGS-TYPE", "`add` must be a list of tables"),
        ({"add": [{"source": "a"}]}, "E-SETTINGS-TYPE", "`add`[0] has no `destination`"),
        ({"add": [{"source": "a", "destinaton": "/"}]}, "E-SETTINGS-UNKNOWN", "did you mean `destination`?"),
        (
            {"add": [{"source": "a", "destination": "/", "mode": 600}]},
            "E-SETTINGS-TYPE",
            "`mode` must be a string",
        ),
        ({"module": "a", "script": "b"}, "E-SETTINGS-IMAGE", "both `module` and `script`"),
    ],
)
def test_a_wrong_setting_of_images_is_refused_by_name(table: object, code: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        image(table)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert "`image`" in caught.value.message


def test_the_command_line_comes_before_the_settings() -> None:
    settings = image(
        {
            "entrypoint": ["serve"],
            "cmd": ["a"],
            "env": {"A": "1", "B": "1"},
            "user": "1",
            "expose": ["1"],
            "prefix": "/opt/x",
            "bytecode": True,
        }
    )
    said = image_options(settings)
    assert (said.entrypoint, said.cmd, said.user, said.expose) == (("serve",), ("a",), "1", ("1/tcp",))
    given = image_options(
        settings, module="pkg", cmd="'x y' z", env=["B=2", "C=3"], user="7:8", expose=["2"], bytecode=False
    )
    assert given.entrypoint == ("/opt/x/bin/python", "-m", "pkg")
    assert (given.cmd, given.env) == (("x y", "z"), {"A": "1", "B": "2", "C": "3"})
    assert (given.user, given.expose, given.bytecode) == ("7:8", ("2/tcp",), False)
    assert image_options(settings, entrypoint="").entrypoint == (), "back to what the application says"
    assert image_options(settings, cmd="").cmd == ()
    with pytest.raises(UsageError):
        image_options(settings, module="a", entrypoint="b")
    script = image({"script": "serve"})
    assert image_options(script, prefix="/x").entrypoint == ("/x/bin/serve",)
    assert image_options(ImageSettings()) == ImageOptions()


def test_additions_are_seen_from_where_they_were_said() -> None:
    settings = image({"add": [{"source": "a", "destination": "/a/", "mode": "600"}]})
    found = image_additions(settings, project=Path("/project"), words=["b:/b"], directory=Path("/here"))
    assert [(one.source, one.destination, one.mode) for one in found] == [
        (Path("/project/a"), "/a/", 0o600),
        (Path("/here/b"), "/b", None),
    ]


def test_what_pyproject_toml_says_of_the_project_is_read_and_nonsense_is_absent(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\n[project]\nname = "demo"\nversion = "1"\ndescription = "d"\nlicense = "MIT"\n'
        'authors = [{ name = "A", email = "a@example.com" }, { email = "b@example.com" }, { name = "C" }, {}, 7]\n'
        '[project.urls]\nSource = "https://s"\n[project.scripts]\nrun = "demo:main"\n[project.gui-scripts]\nwin = "demo:win"\n'
    )
    assert read_project(tmp_path).metadata == ProjectMetadata(
        name="demo",
        version="1",
        description="d",
        license="MIT",
        urls={"Source": "https://s"},
        authors=("A <a@example.com>", "b@example.com", "C"),
        scripts={"run": "demo:main", "win": "demo:win"},
        is_package=True,
    )
    wrong = {
        "project": {"name": 1, "license": {"text": "x"}, "urls": [], "authors": "x", "scripts": {"a": 1}}
    }
    assert project_metadata(wrong) == ProjectMetadata()


@pytest.mark.parametrize(
    ("document", "is_package"),
    [
        ({}, False),
        ({"build-system": {}}, True),
        ({"build-system": {}, "tool": {"uv": {"package": False}}}, False),
        ({"tool": {"uv": {"package": True}}}, True),
    ],
)
def test_a_project_is_built_if_it_is_a_package(document: dict[str, object], is_package: bool) -> None:
    assert project_metadata(document).is_package is is_package
