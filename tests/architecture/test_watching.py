"""Rules, dashboard, runbook and the page about metrics speak of the same things."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations"
DASHBOARD = ROOT / "deploy" / "grafana" / "qs.json"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
_METRIC = re.compile(r"\b(?:up|(?:qs|process|node|kubelet)_\w+)\b")
# Made by Prometheus itself, and by exporters that watch machines.
OF_OTHERS = re.compile(r"up|node_filesystem_\w+|kubelet_volume_stats_\w+")


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> list[str]:
    """Everything that Prometheus is asked by a rule or a panel."""
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    return [str(rule["expr"]) for rule in RULES] + shown


def asked_metrics() -> set[str]:
    """The metrics in those, but for what others make."""
    # What stands in quotes is the value of a label.
    named = {name for text in expressions() for name in _METRIC.findall(re.sub(r'"[^"]*"', "", text))}
    return {name for name in named if not OF_OTHERS.fullmatch(name)}


def sections(document: str) -> dict[str, str]:
    text = (OPERATIONS / document).read_text(encoding="utf-8")
    return dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^##|\Z)", text))


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() -> None:
    alerts = [rule["alert"] for rule in RULES]

    assert len(alerts) == len(set(alerts)) > 30
    assert sorted(sections("runbook.md")) == sorted(alerts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    body = sections("runbook.md")[rule["alert"]]

    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "warn")
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operations/runbook.md#{rule['alert'].lower()}"
    # What it means, and something to look at or to do.
    assert len(body.split()) > 15


def test_the_dashboard_is_one_that_loads() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in panels()]
    data = [panel for panel in panels() if panel["type"] != "row"]

    assert DASHBOARD.stat().st_size < 60 * 1024
    assert (dashboard["uid"], dashboard["title"]) == ("qs", "qs")
    assert len(ids) == len(set(ids))
    assert len(data) >= 25
    for panel in data:
        assert panel["title"]
        assert panel["targets"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", " ".join(expressions())))
    assert used - {"__rate_interval", "labels", "value"} <= variables
    # Nothing lies on something else.
    taken = [
        (x, y)
        for each in (panel["gridPos"] for panel in panels())
        for x in range(each["x"], each["x"] + each["w"])
        for y in range(each["y"], each["y"] + each["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_every_metric_that_is_asked_for_is_described() -> None:
    pages = [(OPERATIONS / "watching.md"), (ROOT / "docs" / "scheduler" / "metrics.md")]
    described = {
        name for page in pages for name in re.findall(r"(?m)^\| `(\w+)` \|", page.read_text(encoding="utf-8"))
    }

    families = {re.sub(r"_bucket$", "", name) for name in asked_metrics()}
    assert {name for name in families if name.startswith("qs_")} - described == set()
