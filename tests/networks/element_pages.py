"""Pages that hold an element, and what a browser makes of them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path

import numpy as np

from foveal_audit import elements
from foveal_audit.report import page as report_page

FEATURE = "contribution:12 <i>&"
STYLE = (Path(report_page.__file__).parent / "style.css").read_text("utf-8")


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def block(kind, told):
    text = json.dumps(told).replace("<", "\\u003c")
    return f'<script type="application/json" class="{kind}">{text}</script>'


def sealed(body, name="sliders"):
    """Write a page that may load nothing but its own pictures and run nothing but one element's script."""
    policy = (
        f"default-src 'none'; img-src data:; style-src '{digest(STYLE)}'; "
        f"script-src '{elements.sha256(name)}'; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test page</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{STYLE}</style></head>'
        f"<body><main><h1>Element</h1>{body}</main><script>{elements.script(name)}</script></body></html>"
    )


class Watched:
    """A page, and all that it asked for or complained about."""

    def __init__(self, page):
        self.page, self.requests, self.complaints = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def ready(self, element="foveal-sliders"):
        self.page.wait_for_function(
            "name => ((one) => one.kind)(document.querySelector(name))",
            arg=element,
        )
        return self.page.locator(element)

    def pixels(self):
        """Read the sliders' canvas, (h, w, 3)."""
        values, height, width = self.page.evaluate(
            """() => { const canvas = document.querySelector("foveal-sliders").parts.canvas;
            const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [Array.from(image.data), canvas.height, canvas.width]; }"""
        )
        return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]

    def sliders(self, expression):
        """Evaluate something about the element ``one``."""
        return self.page.evaluate(
            f'() => {{ const one = document.querySelector("foveal-sliders"); return {expression}; }}'
        )


def boxed(text):
    """Put a page into a sandbox without an origin, as MLflow shows artifacts."""
    frame = f'<iframe sandbox="allow-scripts" width="529" height="700" srcdoc="{html.escape(text)}"></iframe>'
    return f'<!doctype html><meta charset="utf-8"><title>Box</title>{frame}'
