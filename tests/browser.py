"""A headless Chromium for tests of pages, spoken to through a pipe: no package, no port."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PATIENCE_S = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--mute-audio",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)


class Browser:
    """One page in a Chromium of its own; what its console says is in `complaints`.

    Used as a context manager. Commands are those of the Chrome DevTools Protocol, whose
    messages are JSON that ends in a zero byte.
    """

    def __init__(self, folder: Path, width=1280, height=900, dark=False):
        command_read, self._write = os.pipe()
        self._read, answer_write = os.pipe()
        flags = " ".join([*FLAGS, f"--user-data-dir={folder / 'profile'}"])
        self._process = subprocess.Popen(
            [
                "sh",
                "-c",
                f"exec {CHROMIUM} {flags} 3</dev/fd/{command_read} 4>/dev/fd/{answer_write}",
            ],
            pass_fds=(command_read, answer_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(command_read)
        os.close(answer_write)
        os.set_blocking(self._read, False)
        self._buffer, self._count, self._session = b"", 0, None
        self.complaints = []
        try:
            self._open_page(width, height, dark)
        except BaseException:
            self._end()
            raise

    def _open_page(self, width, height, dark):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.resize(width, height)
        if dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            self.send("Emulation.setEmulatedMedia", features=features)

    def resize(self, width, height, mobile=False):
        """Give the page another size; `mobile` obeys its viewport, and touches."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def open(self, path: Path):
        """Load a file and wait until it is complete."""
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait_for(f"location.href == {path.resolve().as_uri()!r}")
        self.wait_for("document.readyState == 'complete'")

    def evaluate(self, expression):
        """The value of a JavaScript expression, of its promise if it is one."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression):
        """Until an expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.02)

    def press(self, key):
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        code = 0 if len(key) > 1 else ord(key.upper())
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text
            )

    def screenshot(self, path: Path, whole=False):
        """Save a picture of what is seen, or of the whole page."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def print(self, path: Path):
        """Print to PDF, A4."""
        found = self.send(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True
        )
        path.write_bytes(base64.b64decode(found["data"]))

    def send(self, method, **parameters):
        """A command and its answer."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = self._receive(end)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self._notice(answer)

    def _receive(self, end):
        while b"\0" not in self._buffer:
            assert time.monotonic() < end, "Chromium does not answer"
            try:
                self._buffer += os.read(self._read, 1 << 20)
            except BlockingIOError:
                time.sleep(0.005)
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _notice(self, event):
        """Remember errors, warnings, and whatever is fetched from outside the page."""
        kind, found = event.get("method"), event.get("params", {})
        if kind == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            self.complaints.append(found["entry"]["text"])
        elif kind == "Runtime.exceptionThrown":
            self.complaints.append(found["exceptionDetails"]["text"])
        elif kind == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning"):
            self.complaints.append(str(found["args"]))
        elif kind == "Network.requestWillBeSent":
            url = found["request"]["url"]
            if not url.startswith(("file:", "data:", "about:", "blob:")):
                self.complaints.append(f"fetches {url[:80]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session = None
        try:
            self.send("Browser.close")
        finally:
            self._end()

    def _end(self):
        os.close(self._read)
        os.close(self._write)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
