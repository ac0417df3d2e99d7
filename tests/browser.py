"""A headless Chromium for tests of pages: Debian's or another that is installed, by Playwright."""

import shutil
import time
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = ("--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required")
PATIENCE_S = 30
INSIDE = ("file:", "data:", "about:", "blob:")


class Browser:
    """Chromium, started once; each page that is opened has settings of its own.

    What the pages' consoles say, and what is fetched from outside, is in `complaints`.
    """

    def __init__(self):
        if CHROMIUM is None:
            pytest.skip("Chromium is not installed")
        self._playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        self.complaints = []

    def open(self, path: Path, width=1280, height=900, **settings):
        """A new page of a file; settings are Playwright's, such as `is_mobile`, `color_scheme`."""
        viewport = {"width": width, "height": height}
        page = self._chromium.new_context(viewport=viewport, **settings).new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._notice)
        page.goto(path.resolve().as_uri())
        return page

    def _hear(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _notice(self, request):
        if not request.url.startswith(INSIDE):
            self.complaints.append(f"fetches {request.url[:80]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._chromium.close()
        self._playwright.stop()


def wait_for(page, expression):
    """Until an expression is true: Playwright's own way needs the `eval` that pages forbid."""
    end = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never: {expression}"
        page.wait_for_timeout(20)
