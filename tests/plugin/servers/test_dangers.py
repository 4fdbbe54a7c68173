from __future__ import annotations

import pytest

from foveal.errors import UsageError
from foveal.servers.dangers import DANGERS, refuse

SAFE = {
    "inference_address": "http://0.0.0.0:8080",
    "management_address": "http://127.0.0.1:8081",
    "metrics_address": "http://localhost:8082",
    "disable_token_authorization": "false",
    "enable_model_api": "false",
    "allowed_urls": r"file:///models/.*,https://s3\.amazonaws\.com/mine/.*",
    "model_metrics_auto_detect": "false",
    "install_py_dep_per_model": "FALSE",
    "limit_max_image_pixels": "true",
    "enable_envvars_config": "false",
}

#: One line, the danger it is, and the line that mends it.
UNSAFE = [
    (
        "management_address=http://0.0.0.0:9081",
        "management-address",
        "management_address=http://127.0.0.1:9081",
    ),
    ("management_address=http://[::]", "management-address", "management_address=http://127.0.0.1:8081"),
    ("grpc_management_address=0.0.0.0", "management-address", "grpc_management_address=127.0.0.1"),
    ("metrics_address=http://10.1.2.3:8082", "metrics-address", "metrics_address=http://127.0.0.1:8082"),
    ("disable_token_authorization=true", "no-tokens", "disable_token_authorization=false"),
    ("enable_model_api=True", "model-api", "enable_model_api=false"),
    ("allowed_urls=file://.*|http(s)?://.*", "open-urls", "allowed_urls=file:///PATH/TO/model_store/.*"),
    ("allowed_urls=file://.*,.*", "open-urls", "allowed_urls=file:///PATH/TO/model_store/.*"),
    ("allowed_urls=https://.+", "open-urls", "allowed_urls=file:///PATH/TO/model_store/.*"),
    ("allowed_urls=(", "open-urls", "allowed_urls=file:///PATH/TO/model_store/.*"),
    ("model_metrics_auto_detect=true", "auto-metrics", "model_metrics_auto_detect=false"),
    ("install_py_dep_per_model=true", "model-dependencies", "install_py_dep_per_model=false"),
    ("limit_max_image_pixels=false", "unlimited-images", "limit_max_image_pixels=true"),
    ("enable_envvars_config=true", "environment-settings", "enable_envvars_config=false"),
]


def found(settings):
    return [(danger.name, culprit) for danger in DANGERS for culprit in danger.find(settings)]


def test_safe_settings_and_torchserves_own():
    assert found(SAFE) == found({}) == []
    refuse(SAFE)


@pytest.mark.parametrize(("line", "name", "instead"), UNSAFE)
def test_every_unsafe_line_is_found_and_mended(line, name, instead):
    key, _, value = line.partition("=")
    ((danger, culprit),) = found({**SAFE, key: value})
    assert (danger, str(culprit), culprit.line) == (name, line, instead)
    with pytest.raises(UsageError, match=f"--allow-unsafe {name}"):
        refuse({**SAFE, key: value})
    refuse({**SAFE, key: value}, [name])
    mended = dict([instead.split("=", 1)])
    assert found({**SAFE, **mended}) == []


def test_every_danger_has_an_example():
    assert {name for _, name, _ in UNSAFE} == {danger.name for danger in DANGERS}


def test_models_from_anywhere_where_they_may_be_changed():
    names = [(name, str(culprit)) for name, culprit in found({"enable_model_api": "true"})]
    assert names == [("model-api", "enable_model_api=true"), ("open-urls", "allowed_urls is not set")]


def test_names_that_nobody_knows():
    with pytest.raises(UsageError) as caught:
        refuse({}, ["model-apis"])
    assert str(caught.value) == (
        "There is no unsafe setting 'model-apis' to allow. "
        "Did you mean 'model-api' or 'model-dependencies' or 'metrics-address'."
    )
