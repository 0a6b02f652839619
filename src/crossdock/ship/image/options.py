"""What is asked of an image's configuration: checked values, the same for every platform."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Characters that a shebang, a PATH and a `.pth` file all take as they are.
_PREFIX = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._+-]*)+")
#: Linux cuts shebang lines at 127 bytes before 5.1: `#!PREFIX/bin/python`.
_LONGEST_PREFIX = 100
#: What Kubernetes takes for a variable's name; a shell takes less.
_ENV_NAME = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")
_PORT = re.compile(r"(?P<port>[0-9]{1,5})(/(?P<protocol>tcp|udp|sctp))?")
_LARGEST_PORT = 65535
#: `user[:group]`, each a number or a name as useradd takes it (image specification, config.md, "User").
_PERSON = r"(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?)"
_USER = re.compile(rf"{_PERSON}(?::{_PERSON})?")
#: The kernel's uid_t has 32 bits; the largest one means "no change".
_LARGEST_ID = (1 << 32) - 2
_SIGNAL = re.compile(r"SIG[A-Z][A-Z0-9]*([+-][0-9]{1,2})?|[1-9][0-9]?")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
#: podman takes 128 layers, Docker 127.
_MOST_LAYERS = 120
#: Annotations by which we find our own layers again.
_RESERVED = "dev.crossdock."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """What the configuration says and where things lie. Raises `UsageError` (E-IMAGE-OPTION) for what cannot be.

    `entrypoint` and `workdir` are empty where the application decides, `stop_signal` and `user` where the base does.
    `expose` is normalised to `PORT/PROTOCOL`, sorted.
    """

    DEFAULT_PREFIX: ClassVar[str] = "/app"
    #: A number: Kubernetes cannot tell whether a name is root (`runAsNonRoot`). 65532 is distroless's nonroot.
    DEFAULT_USER: ClassVar[str] = "65532:65532"
    DEFAULT_LAYERS: ClassVar[int] = 60

    prefix: str = DEFAULT_PREFIX
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    user: str = DEFAULT_USER
    expose: tuple[str, ...] = ()
    stop_signal: str = ""
    max_layers: int = DEFAULT_LAYERS
    bytecode: bool = False

    def __post_init__(self) -> None:
        _check_prefix(self.prefix)
        for words, what in ((self.entrypoint, "entry point"), (self.cmd, "command")):
            for word in words:
                _check_value(word, f"a word of the {what}")
        if self.entrypoint and not self.entrypoint[0]:
            raise _refused("the entry point's first word, the program, is empty")
        for name, value in self.env.items():
            if not _ENV_NAME.fullmatch(name):
                raise _refused(f"not a name of a variable: `{name}`")
            _check_value(value, f"the variable `{name}`")
        _check_texts(self.labels, "label")
        _check_texts(self.annotations, "annotation")
        if self.workdir:
            _check_directory(self.workdir, "the working directory")
        _check_user(self.user)
        object.__setattr__(self, "expose", tuple(sorted({_port(text) for text in self.expose}, key=_by_port)))
        if self.stop_signal and not _SIGNAL.fullmatch(self.stop_signal):
            raise _refused(f"not a signal: `{self.stop_signal}`", hint="for example `SIGINT`")
        if not 1 <= self.max_layers <= _MOST_LAYERS:
            raise _refused(
                f"an image of at most {self.max_layers} layers cannot be: give 1 to {_MOST_LAYERS}",
                hint="runtimes refuse more than 127",
            )


def start_command(
    prefix: str, *, entrypoint: tuple[str, ...] = (), module: str | None = None, script: str | None = None
) -> tuple[str, ...]:
    """Return the entry point that the user named: words, `python -m` a module, or an installed script by name.

    Empty if nothing was named: then the application says it.
    """
    if entrypoint:
        return tuple(entrypoint)
    if module is not None:
        if not _MODULE.fullmatch(module):
            raise _refused(f"not a module: `{module}`", hint="for example `-m package.module`")
        return (f"{prefix}/bin/python", "-m", module)
    if script is not None:
        if not re.fullmatch(r"[\w.+-]+", script) or script in (".", ".."):
            raise _refused(f"not the name of an installed script: `{script}`")
        return (f"{prefix}/bin/{script}",)
    return ()


def split_command(text: str, option: str) -> tuple[str, ...]:
    """Split `text` into words as a POSIX shell would; nothing is expanded and no shell will run."""
    import shlex

    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise _refused(f"{option} cannot be split into words: {str(error).lower()}: `{text}`") from error
    return words


def parse_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read `NAME=VALUE` words; the last of a name counts."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise _refused(f"{option} wants NAME=VALUE: `{text}`")
        found[name] = value
    return found


def _check_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PREFIX:
        raise _refused(
            f"not a directory that packages can lie in: `{prefix}`",
            hint=f"an absolute path of letters, digits and `._+-`, at most {_LONGEST_PREFIX} characters: `/app`",
        )


def _check_directory(path: str, what: str) -> None:
    _check_value(path, what)
    if not path.startswith("/") or any(part in (".", "..") for part in path.split("/")):
        raise _refused(f"{what} is not an absolute path: `{path}`")


def _check_user(user: str) -> None:
    numbers = [int(part) for part in user.split(":") if part.isdigit()]
    if (user and not _USER.fullmatch(user)) or any(number > _LARGEST_ID for number in numbers):
        raise _refused(
            f"not a user: `{user}`", hint="give `UID`, `UID:GID`, or names that the base's /etc/passwd has"
        )


def _port(text: str) -> str:
    found = _PORT.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= _LARGEST_PORT:
        raise _refused(f"not a port: `{text}`", hint="for example `8080` or `53/udp`")
    return f"{int(found['port'])}/{found['protocol'] or 'tcp'}"


def _by_port(text: str) -> tuple[int, str]:
    port, _slash, protocol = text.partition("/")
    return int(port), protocol


def _check_texts(texts: Mapping[str, str], what: str) -> None:
    for name, value in texts.items():
        if not name or not name.isprintable() or " " in name:
            raise _refused(f"not a name of {'an' if what[0] in 'aeiou' else 'a'} {what}: {name!r}")
        if name.startswith(_RESERVED):
            raise _refused(f"the {what} `{name}` is ours to write", hint=f"choose one without `{_RESERVED}`")
        _check_value(value, f"the {what} `{name}`")


def _check_value(value: str, what: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _refused(f"{what} is not UTF-8: {value!r}") from error
    if "\0" in value:
        raise _refused(f"{what} holds a zero byte: {value!r}")


def _refused(message: str, *, hint: str | None = None) -> UsageError:
    return UsageError(message, code="E-IMAGE-OPTION", hint=hint)
