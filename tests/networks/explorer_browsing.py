"""A browser that watches what the explorer's pages do."""

from __future__ import annotations

import time
from contextlib import contextmanager

from playwright.sync_api import sync_playwright


class Watch:
    """Everything that a page must not do: errors, dialogs, requests elsewhere."""

    def __init__(self, page, base):
        self.faults = []
        page.on("console", lambda line: line.type in ("error", "warning") and self.faults.append(line.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        page.on("request", lambda request: self._asked(request.url, base))

    def _asked(self, url, base):
        if not url.startswith((base, "data:", "blob:", "about:")):
            self.faults.append(url)


@contextmanager
def chromium_page(chromium, **settings):
    """Open one page of one browser."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser.new_context(**({"viewport": {"width": 1300, "height": 950}} | settings)).new_page()
        browser.close()


def until(page, holds, seconds=20):
    """Wait until an expression holds; Playwright's own way is what the pages' policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, holds
        page.wait_for_timeout(20)
