"""The configuration: defaults, every error word for word, the environment, reading back."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from foveal.config import FovealConfig, Keep, Rule, SpoolSettings
from foveal.errors import UsageError

DESIGN = """
features: auto
method: gradcam
layer: auto
rule: {percentile: 90}
window: auto
max_windows: 3
sample_rate: 1.0
keep: {metadata: [site, scanner], headers: []}
spool: {dir: /var/spool/foveal, max_bytes: 2GB, durability: process}
"""


def read(mapping, **environ):
    return FovealConfig.from_mapping(mapping, {f"FOVEAL_{key}": value for key, value in environ.items()})


def test_the_designs_example_is_the_default_but_for_the_method():
    config = read(yaml.safe_load(DESIGN))
    assert config == FovealConfig(
        method="gradcam",
        keep=Keep(metadata=("site", "scanner")),
        spool=SpoolSettings(dir="/var/spool/foveal"),
    )
    assert read(None) == read({}) == read({"keep": None, "spool": {}}) == FovealConfig()


@pytest.mark.parametrize(
    ("key", "value", "read_as"),
    [
        ("features", ["fc1", "fc1:7", "class:*", "fc1"], ("fc1", "fc1:7", "class:*")),
        ("features", "fc1:*", ("fc1",)),
        ("method", "layercam", "layercam"),
        ("rule", "nonzero", Rule("nonzero")),
        ("rule", "layer-max", Rule("layer-max")),
        ("rule", "percentile", Rule("percentile", 90.0)),
        ("rule", {"percentile": 99.5}, Rule("percentile", 99.5)),
        ("window", 32, 32),
        ("window", [32], 32),
        ("window", [24, 48], (24, 48)),
        ("sample_rate", 0, 0.0),
        ("sample_rate", 0.25, 0.25),
    ],
)
def test_values(key, value, read_as):
    assert getattr(read({key: value}), key) == read_as


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (1, 1),
        ("2000", 2000),
        ("2GB", 2 * 10**9),
        (" 1.5 MB ", 1_500_000),
        ("2GiB", 2**31),
        ("64kib", 65536),
        ("3 b", 3),
        ("1TB", 10**12),
    ],
)
def test_sizes(text, count):
    assert read({"spool": {"max_bytes": text}}).spool.max_bytes == count


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"metod": "gradcam"}, "Unknown key 'foveal.metod'. Did you mean 'method'."),
        ({"keep": {"header": []}}, "Unknown key 'foveal.keep.header'. Did you mean 'headers' or 'metadata'."),
        ({"spool": {"max_size": 1}}, "Unknown key 'foveal.spool.max_size'. Did you mean 'max_bytes'."),
        ({1: 2}, "Unknown key 'foveal.1'. Did you mean 'features' or 'method' or 'layer'."),
        (["a"], "foveal is ['a']. Make it a section with keys such as 'features'."),
        ({"keep": ["site"]}, "foveal.keep is ['site']. Make it a section with keys such as 'metadata'."),
        ({"spool": "/tmp/x"}, "foveal.spool is '/tmp/x'. Make it a section with keys such as 'dir'."),
        ({"features": []}, "foveal.features is empty. Give 'auto' or a list such as ['fc1', 'class:*']."),
        ({"features": 3}, "foveal.features is 3. Give a list of names."),
        (
            {"features": ["fc1:x"]},
            "Feature 'fc1:x' is not a name. Write LAYER:INDEX, LAYER, class:K or class:*.",
        ),
        (
            {"method": "gradcm"},
            "Unknown method 'gradcm'. Did you mean 'gradcam' or 'gradcam++' or 'gradxact'.",
        ),
        ({"method": None}, "foveal.method is None. Give a text."),
        ({"layer": " "}, "foveal.layer is ' '. Give a text."),
        ({"rule": "percentil"}, "foveal.rule: unknown rule 'percentil'. Did you mean 'percentile'."),
        (
            {"rule": {"top": 3}},
            "foveal.rule: unknown rule 'top'. Did you mean 'nonzero' or 'percentile' or 'layer-max'.",
        ),
        ({"rule": {"percentile": 100}}, "foveal.rule.percentile is 100. Give a number between 0 and 100."),
        ({"rule": {"percentile": "x"}}, "foveal.rule.percentile is 'x'. Give a number between 0 and 100."),
        ({"rule": 90}, "foveal.rule is 90. Give a text."),
        (
            {"window": "big"},
            "foveal.window is 'big'. Give 'auto', a side of at least 2, or one side per axis.",
        ),
        ({"window": 1}, "foveal.window is 1. Give 'auto', a side of at least 2, or one side per axis."),
        (
            {"window": [8, 8, 8, 8]},
            "foveal.window is [8, 8, 8, 8]. Give 'auto', a side of at least 2, or one side per axis.",
        ),
        ({"max_windows": 0}, "foveal.max_windows is 0. Give a whole number above 0."),
        ({"max_windows": True}, "foveal.max_windows is True. Give a whole number above 0."),
        ({"max_windows": 2.5}, "foveal.max_windows is 2.5. Give a whole number above 0."),
        ({"sample_rate": 1.5}, "foveal.sample_rate is 1.5. Give a number from 0 to 1."),
        ({"sample_rate": "often"}, "foveal.sample_rate is 'often'. Give a number from 0 to 1."),
        ({"sample_rate": float("nan")}, "foveal.sample_rate is nan. Give a number from 0 to 1."),
        ({"keep": {"metadata": [1]}}, "foveal.keep.metadata is [1]. Give a list of names."),
        ({"spool": {"dir": 3}}, "foveal.spool.dir is 3. Give a text."),
        (
            {"spool": {"max_bytes": "2 XB"}},
            "foveal.spool.max_bytes is '2 XB'. Give a number of bytes such as 500MB or 2GiB.",
        ),
        (
            {"spool": {"max_bytes": 0}},
            "foveal.spool.max_bytes is 0. Give a number of bytes such as 500MB or 2GiB.",
        ),
        (
            {"spool": {"durability": "none"}},
            "foveal.spool.durability is 'none'. Did you mean 'power'.",
        ),
    ],
)
def test_errors(mapping, message):
    with pytest.raises(UsageError) as caught:
        read(mapping)
    assert str(caught.value) == message


def test_the_environment_overrides_key_by_key():
    mapping = {"layer": "layer3", "window": 16, "keep": {"metadata": ["site"], "headers": ["X-Site"]}}
    config = read(
        mapping,
        FEATURES="fc1, class:*",
        METHOD="hirescam",
        LAYER="layer4",
        RULE="percentile:95",
        WINDOW="32, 48",
        MAX_WINDOWS="5",
        SAMPLE_RATE="0.5",
        KEEP_METADATA="scanner,date",
        SPOOL_DIR="/data/spool",
        SPOOL_MAX_BYTES="1GiB",
        SPOOL_DURABILITY="power",
    )
    assert config == FovealConfig(
        features=("fc1", "class:*"),
        method="hirescam",
        layer="layer4",
        rule=Rule("percentile", 95.0),
        window=(32, 48),
        max_windows=5,
        sample_rate=0.5,
        keep=Keep(metadata=("scanner", "date"), headers=("X-Site",)),
        spool=SpoolSettings("/data/spool", 2**30, "power"),
    )
    assert read(mapping, KEEP_HEADERS="").keep == Keep(("site",), ())
    assert read(mapping, WINDOW="auto", RULE="nonzero").window == "auto"


def test_a_wrong_variable_is_named():
    with pytest.raises(UsageError) as caught:
        read({}, SAMPLE_RATE="all")
    assert str(caught.value) == "FOVEAL_SAMPLE_RATE is 'all'. Give a number from 0 to 1."
    with pytest.raises(UsageError) as caught:
        read({}, SPOOL_DURABILITY="powr")
    assert str(caught.value) == "FOVEAL_SPOOL_DURABILITY is 'powr'. Did you mean 'power'."


def test_the_process_environment_is_read_by_default(monkeypatch):
    monkeypatch.setenv("FOVEAL_LAYER", "layer2")
    assert FovealConfig.from_mapping({}).layer == "layer2"
    assert FovealConfig.from_mapping({}, environ={}).layer == "auto"


configs = st.builds(
    FovealConfig,
    features=st.just("auto")
    | st.lists(st.from_regex(r"[a-z][a-z0-9.]{0,8}(:[0-9]{1,3})?", fullmatch=True), min_size=1, unique=True)
    .filter(lambda names: names != ["auto"])
    .map(lambda names: tuple(dict.fromkeys(name if ":" not in name else _plain(name) for name in names))),
    method=st.sampled_from(["gradcam", "hirescam", "layercam", "gradcam++"]),
    layer=st.from_regex(r"[a-z][a-z0-9.]{0,12}", fullmatch=True),
    rule=st.sampled_from([Rule("nonzero"), Rule("layer-max")])
    | st.floats(0, 100, exclude_min=True, exclude_max=True).map(lambda p: Rule("percentile", p)),
    window=st.just("auto") | st.integers(2, 999) | st.tuples(st.integers(2, 999), st.integers(2, 999)),
    max_windows=st.integers(1, 99),
    sample_rate=st.floats(0, 1),
    keep=st.builds(Keep, st.just(("site", "date")), st.just(("x-site",))),
    spool=st.builds(
        SpoolSettings,
        st.none() | st.just("/s"),
        st.integers(1, 10**15),
        st.sampled_from(["process", "power"]),
    ),
)


def _plain(name):
    layer, index = name.split(":")
    return f"class:{int(index)}" if layer == "class" else f"{layer}:{int(index)}"


@given(configs.filter(lambda config: "class" not in config.features))
def test_a_written_configuration_reads_back(config):
    text = yaml.safe_dump(config.to_mapping())
    again = FovealConfig.from_mapping(yaml.safe_load(text), environ={})
    assert again == config
    assert again.sha256 == config.sha256


def test_the_identity_leaves_the_spool_out():
    base = FovealConfig()
    assert read({"spool": {"dir": "/elsewhere", "max_bytes": 1, "durability": "power"}}).sha256 == base.sha256
    assert read({"rule": "percentile"}).sha256 == base.sha256
    others = [{"layer": "a"}, {"rule": {"percentile": 91}}, {"window": 8}, {"keep": {"headers": ["a"]}}]
    assert len({base.sha256, *(read(other).sha256 for other in others)}) == 5
