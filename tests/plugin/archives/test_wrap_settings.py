"""Where the settings go: into the model-config.yaml that is there, or beside the manifest."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from plain_archives import YAML, files, laid_out, zipped

from foveal.archives.mar import SETTINGS, opened
from foveal.archives.sections import _appended, checked, place
from foveal.archives.unwrapping import unwrap
from foveal.archives.wrapping import wrap
from foveal.errors import UsageError

CONFIG = "model-config.yaml"
GIVEN = {"foveal": {"max_windows": 5, "spool": {"dir": "/var/spool/foveal"}}}


def wrapped(tmp_path, config, given=None, **content):
    """Wrap an archive; gives the report, its model-config.yaml and its own settings."""
    source = zipped(tmp_path / "a.mar", {**files(config=config), **content})
    report = wrap(source, tmp_path / "w.mar", given)
    unwrap(tmp_path / "w.mar", tmp_path / "o.mar")
    assert (tmp_path / "o.mar").read_bytes() == source.read_bytes()
    with opened(tmp_path / "w.mar") as folder:
        config = (folder / CONFIG).read_bytes() if (folder / CONFIG).exists() else None
        own = json.loads((folder / SETTINGS).read_bytes())
        del own["wrapped"]
        return report.settings, config, own


def test_the_section_is_added_below_what_is_there(tmp_path):
    where, config, own = wrapped(tmp_path, YAML, GIVEN)
    assert (where, own) == (CONFIG, {})
    assert config.decode() == YAML + "foveal:\n  max_windows: 5\n  spool:\n    dir: /var/spool/foveal\n"


def test_a_yaml_is_never_added(tmp_path):
    """It would replace the server's timeouts by TorchServe's own."""
    assert wrapped(tmp_path, None, GIVEN) == (SETTINGS, None, GIVEN)


def test_without_settings_the_section_is_empty(tmp_path):
    assert wrapped(tmp_path, YAML) == (CONFIG, f"{YAML}foveal: {{}}\n".encode(), {})
    assert wrapped(tmp_path, None) == (SETTINGS, None, {"foveal": {}})


@pytest.mark.parametrize(
    ("present", "added"),
    [
        ("a: 1", "\nfoveal: {}\n"),
        ("a: 1\r\nb: 2\r\n", "foveal: {}\r\n"),
        ("", "foveal: {}\n"),
        ("# nothing yet\n", "foveal: {}\n"),
        ("---\na: 1\n", "foveal: {}\n"),
        ("text: |\n  kept\n", "foveal: {}\n"),
        ("x: &x {y: 1}\nz: *x\n# the end\n\n", "foveal: {}\n"),
    ],
)
def test_texts_that_take_a_section(tmp_path, present, added):
    assert wrapped(tmp_path, present) == (CONFIG, (present + added).encode(), {})


@pytest.mark.parametrize("present", ["{a: 1}", "{a: 1,\n b: 2}\n", "a: 1\n...\n", "text: |\n  kept", "- a\n"])
def test_texts_that_take_none(tmp_path, present):
    """They stay as they are; the settings lie beside the manifest then."""
    assert wrapped(tmp_path, present, GIVEN) == (SETTINGS, present.encode(), GIVEN)


def test_a_section_that_is_there_already(tmp_path):
    present = f"{YAML}foveal: {{max_windows: 2}}\n"
    assert wrapped(tmp_path, present) == (CONFIG, present.encode(), {})
    assert wrapped(tmp_path, present, {"preprocess": {"size": [8, 8]}}) == (
        CONFIG,
        f"{present}preprocess:\n  size:\n  - 8\n  - 8\n".encode(),
        {},
    )
    assert message(wrapped, tmp_path, present, GIVEN) == (
        "model-config.yaml of the archive has a section 'foveal' already. "
        "Leave that section out of --config, or change it in the archive."
    )
    assert message(wrapped, tmp_path, "foveal: {windows: 2}\n") == (
        "Unknown key 'foveal.windows'. Did you mean 'window' or 'max_windows'."
    )


def test_own_settings_that_are_there_already(tmp_path):
    own = {"foveal": {"max_windows": 2}, "preprocess": {"size": [8, 8]}, "else": 1}
    kept = {"foveal": {"max_windows": 2}, "preprocess": {"size": [8, 8]}}
    there = {SETTINGS: json.dumps(own).encode()}
    assert wrapped(tmp_path, None, **there) == (SETTINGS, None, kept)
    assert wrapped(tmp_path, None, GIVEN, **there) == (SETTINGS, None, kept | GIVEN)
    assert wrapped(tmp_path, YAML, **there) == (SETTINGS, YAML.encode(), kept)
    size = {"preprocess": kept["preprocess"]}
    for present in (f"{YAML}foveal: {{window: 8}}\n", YAML):
        given = None if "window" in present else GIVEN
        where, config, own = wrapped(tmp_path, present, given, **there)
        assert (where, own) == (CONFIG, size)
        assert yaml.safe_load(config)["foveal"] == (GIVEN["foveal"] if given else {"window": 8})


def test_a_configuration_that_the_archive_lacks(tmp_path):
    folder = laid_out(tmp_path / "a", files())
    assert place(folder, "missing.yaml", {}).where == SETTINGS


def test_a_configuration_that_is_no_yaml(tmp_path):
    assert message(wrapped, tmp_path, "a: [\n") == (
        "model-config.yaml of the archive cannot be read as YAML (while parsing a flow node). "
        "Mend it and build the archive again."
    )


def message(call, *arguments):
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"fovael": {}}, "Unknown section 'fovael' in the configuration. Did you mean 'foveal' or 'model'."),
        ({"rule": "x"}, "Unknown section 'rule' in the configuration. Put 'rule' into the section 'foveal'."),
        ({"foveal": {"methd": "x"}}, "Unknown key 'foveal.methd'. Did you mean 'method'."),
        ({"model": {}}, "The section 'model' names no class. Write model: {class: NAME}."),
        (
            {"model": {"segmentation": {"backgroud": 0}}},
            "Unknown key 'backgroud' in the segmentation section. Did you mean 'background'.",
        ),
        ({"foveal": 3}, "foveal is 3. Make it a section with keys such as 'features'."),
    ],
)
def test_configurations_that_are_wrong(config, told):
    assert message(checked, config) == told


@pytest.mark.parametrize("key", ["batchSize", "responseTimeout"])
def test_torchserves_own_keys_are_not_taken(key):
    """They would change how the model is served."""
    assert message(checked, {key: 1}).startswith(f"Unknown section {key!r} in the configuration. ")


def test_configurations_that_are_right():
    given = {"foveal": None, "preprocess": {"size": [8, 8]}, "model": {"class": "Net"}}
    assert checked(given) == {**given, "foveal": {}}
    assert checked({"model": {"segmentation": {}}}) == {"model": {"segmentation": {}}}
    assert checked({}) == {}


def test_variables_of_this_machine_stay_here(monkeypatch):
    monkeypatch.setenv("FOVEAL_METHOD", "no such method")
    assert checked(GIVEN) == GIVEN


_PLAIN = st.none() | st.booleans() | st.integers() | st.text("ab: #'\"{}[]-\n\u00e4", max_size=12)
_TREES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), _TREES, max_size=4), st.booleans(), st.booleans()
)
def test_what_is_added_changes_nothing_else(content, flow, ended):
    text = yaml.safe_dump(content, default_flow_style=flow, allow_unicode=True).encode()
    text = text if ended else text.rstrip(b"\n")
    present = yaml.safe_load(text) or {}
    made = _appended(text, present, GIVEN)
    assert made is None or (made.startswith(text) and yaml.safe_load(made) == {**present, **GIVEN})
    assert made is not None or flow or not ended or not content
