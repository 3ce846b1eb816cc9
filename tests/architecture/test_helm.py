"""The chart agrees with the program: its roles, its secrets, its duties, its release. helm itself reads it in tests/system."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from qs.settings.checks import AVAILABLE_ROLES
from qs.settings.keys import all_keys
from qs.settings.sources import SHORT_FORMS
from tests.architecture.test_deploy import DUTIES

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SECRET_VARIABLES = sorted(
    {key.variable for key in all_keys().values() if key.secret}
    | {variable for variable, name in SHORT_FORMS.items() if all_keys()[name].secret}
)


def refused(values: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors({**VALUES, **values})]


def test_the_values_that_come_with_the_chart_are_good_and_hold_no_secret() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)

    assert refused({}) == []
    assert set(VALUES) == set(SCHEMA["properties"]) - {"global"}
    for name, secret in VALUES["secrets"].items():
        assert name in SECRET_VARIABLES
        assert set(secret) == {"name", "key"}


@pytest.mark.parametrize("variable", [*SECRET_VARIABLES, "QS_SECRET_PAYROLL", "LD_PRELOAD"])
def test_no_secret_can_be_given_as_a_setting(variable: str) -> None:
    assert refused({"settings": {variable: "x"}})
    assert refused({"api": {**VALUES["api"], "settings": {variable: "x"}}})


def test_any_other_setting_can() -> None:
    others = {key.variable: "x" for key in all_keys().values() if not key.secret}

    assert refused({"settings": others}) == []


def test_the_chart_knows_the_roles_the_duties_and_the_release() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert chart["appVersion"] == project["version"]
    assert set(VALUES["workers"]) == set(AVAILABLE_ROLES)
    assert refused({"workers": {**VALUES["workers"], "ghost": VALUES["workers"]["cron"]}})
    calls = {
        (name, call["schedule"], call["path"]) for name, call in VALUES["externalClock"]["duties"].items()
    }
    assert calls == {(duty.unit, duty.cron, duty.path) for duty in DUTIES.values()}
    assert VALUES["terminationGracePeriodSeconds"] >= 5 + 25


@pytest.mark.parametrize("original", ["k8s/call-duty.sh", "prometheus/rules.yaml", "grafana/qs.json"])
def test_what_the_chart_carries_is_the_one_there_is(original: str) -> None:
    file = ROOT / "deploy" / original

    assert (CHART / "files" / file.name).resolve() == file


@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_the_guide_names_every_value(language: str) -> None:
    guide = (ROOT / "docs" / "operations" / f"kubernetes-helm{language}.md").read_text(encoding="utf-8")

    named = set(re.findall(r"`(\w+)[.`]", guide))
    assert [word for word in VALUES if word not in named] == []
