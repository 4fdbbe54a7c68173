"""The scripts themselves: what a policy and a page need of them."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from foveal.errors import UsageError
from foveal_audit import elements

FILES = sorted(Path(elements.__file__).parent.glob("*.js"))
#: What a strict policy refuses, what reaches outside, and what reads text as code.
FORBIDDEN = (
    r"\beval\(|new Function|document\.write|\bimport\b",
    r"innerHTML|outerHTML|insertAdjacentHTML|setAttribute\(.style",
    r"https?://|localStorage|sessionStorage|document\.cookie",
)


@pytest.mark.parametrize("name", elements.NAMES)
def test_a_script_defines_its_element_and_may_stand_inside_a_page(name):
    text = elements.script(name)
    assert text.count("customElements.define(") == 1
    assert f'customElements.define("foveal-{name}"' in text
    assert not re.search(r"</script|<!--", text, re.IGNORECASE)


@pytest.mark.parametrize("axes", [1, 3])
def test_of_recordings_and_scans_no_script_speaks_of_pictures(axes):
    """What a generator draws of them is called a drawing; nothing else of the script changes."""
    plain, other = elements.script("sliders"), elements.script("sliders", axes)
    pairs = [(one, two) for one, two in zip(plain.split("\n"), other.split("\n"), strict=True) if one != two]
    assert len(pairs) == 4
    for one, two in pairs:
        assert re.sub("([Dd])rawing", lambda found: {"D": "Picture", "d": "picture"}[found[1]], two) == one
    spoken = re.findall(r"[`\"'][^`\"'\n]*[`\"']", re.sub(r"//.*", "", other))
    texts = [one for one in spoken if " " in one]
    assert not [one for one in texts if re.search(r"[Pp]icture", one)]
    assert elements.sha256("sliders", axes) != elements.sha256("sliders")
    assert elements.script("sliders", 2) == plain


@pytest.mark.parametrize("name", elements.NAMES)
def test_the_hash_is_what_a_browser_computes(name):
    digest = hashlib.sha256(elements.script(name).encode()).digest()
    assert elements.sha256(name) == "sha256-" + base64.b64encode(digest).decode()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_that_a_strict_policy_refuses(file):
    text = file.read_text("utf-8")
    assert [pattern for pattern in FORBIDDEN if re.search(pattern, text)] == []
    assert text.count("\n") < 400


def test_unknown_elements_are_refused():
    with pytest.raises(UsageError) as caught:
        elements.script("slider")
    assert str(caught.value) == "There is no element 'slider'. Did you mean 'sliders'."
