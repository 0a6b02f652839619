"""Chromium without a window, driven over its debugging pipe: what a page looks like to a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self


class Chromium:
    """One page in a browser of its own. `messages` is what the browser reported: requests, errors, violations."""

    def __init__(self, profile: Path) -> None:
        program = (
            shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        )
        if program is None:
            pytest.skip("no Chromium on this machine")
        self._program = program
        self._profile = profile
        self._number = 0
        self._session = ""
        self._rest = b""
        self.messages: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()

        # The browser takes commands from descriptor 3 and answers on 4.
        script = 'exec "$0" "$@" 3<&"$CHROMIUM_IN" 4>&"$CHROMIUM_OUT"'
        self._process = subprocess.Popen(
            [
                "bash", "-c", script, self._program, "--headless", "--no-sandbox", "--disable-gpu",
                "--remote-debugging-pipe", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                f"--user-data-dir={self._profile}",
            ],
            pass_fds=(read_commands, write_answers),
            env={**os.environ, "CHROMIUM_IN": str(read_commands), "CHROMIUM_OUT": str(write_answers), "HOME": str(self._profile)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_commands)
        os.close(write_answers)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def show(self, page: Path, *, width: int, height: int, dark: bool = False, scripts: bool = True) -> None:
        """Load a page from a file and wait until it is there."""
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=media)
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.messages.clear()
        self._call("Page.navigate", url=page.as_uri())
        while not any(message.get("method") == "Page.loadEventFired" for message in self.messages):
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript comes to, asked from outside of the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a mouse does."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{found}.scrollIntoView({{block: 'center'}})")
        x, y = self.evaluate(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key: str, code: int) -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def asked_for(self) -> list[str]:
        """Return the URLs that the page made the browser ask for."""
        sent = [one for one in self.messages if one.get("method") == "Network.requestWillBeSent"]
        return [one["params"]["request"]["url"] for one in sent]

    def complaints(self) -> list[str]:
        """Return what the browser's console says."""
        return [
            one["params"]["entry"]["text"] for one in self.messages if one.get("method") == "Log.entryAdded"
        ]

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session and not method.startswith("Target."):
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._answers, 1 << 16)
            assert chunk, "the browser ended"
            self._rest += chunk
        one, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(one)
        self.messages.append(message)
        return message
