"""Figures as SVG over HTTP: whose they are, in which look, and what is answered to what cannot be drawn."""

import asyncio
import re
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.integration.plan_http.steps import ABSENT_ID, V1, data_of, join, make_plan, make_testee, problem_of
from tests.support.counting import TENANT_KEY

PICTURES = f"{V1}/statistics/pictures"
SVG = "{http://www.w3.org/2000/svg}"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@pytest.fixture
async def counted(ward):
    """Three people in one plan, of whom one has answered; synced."""
    tasks = await ward.opened(3)
    await ward.submit(tasks[0].id)
    await ward.count()
    await ward.sync()
    return tasks


def texts_of(response) -> list[str]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/svg+xml"
    root = ET.fromstring(response.content)
    assert root.tag == f"{SVG}svg"
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


async def test_the_trend_of_the_tenant_has_its_figures_as_of_the_sync(api, counted):
    texts = texts_of(await api.get(f"{PICTURES}/trend"))

    assert {"Tasks a day: all plans", "opened, 3 in all", "completed, 1 in all"} <= set(texts)
    assert "by what became of them · as of 2060-03-01 19:00 (Asia/Shanghai)" in texts


async def test_a_plan_is_drawn_by_occasion_and_how_people_stay_in_it(api, counted):
    whose = {"dimension": "plan", "key": str(counted[0].plan_id)}
    name = data_of(await api.get(f"{V1}/plans/{counted[0].plan_id}"))["name"]

    completion = texts_of(await api.get(f"{PICTURES}/completion", params=whose))
    retention = texts_of(await api.get(f"{PICTURES}/retention", params=whose))

    assert f"Completion: {name}" in completion
    assert {"100%", "1/1"} <= set(" ".join(completion).split())
    assert f"Retention: {name}" in retention
    assert any("n = 3 enrollments" in text for text in retention)


async def test_a_scale_and_a_testee_are_drawn_by_day_and_a_testee_is_never_named(api, counted):
    testee = await make_testee(api, name="Han Meimei", external_id="P-9")

    scale = texts_of(await api.get(f"{PICTURES}/completion", params={"dimension": "scale", "key": "PHQ-9"}))
    answer = await api.get(f"{PICTURES}/completion", params={"dimension": "testee", "key": "ext:P-9"})

    assert "Completion: scale PHQ-9" in scale
    assert f"Completion: testee {testee['id']}" in texts_of(answer)
    assert "Meimei" not in answer.text


async def test_only_the_dates_asked_for_are_drawn(api, counted):
    before = {"from": "2060-01-01", "to": "2060-01-31"}

    texts = texts_of(await api.get(f"{PICTURES}/trend", params=before))

    assert "nothing counted yet" in texts


async def test_a_picture_comes_in_both_languages_and_on_both_grounds(api, counted):
    looks = [("light", "en"), ("light", "zh"), ("dark", "en"), ("dark", "zh")]

    answers = [
        await api.get(f"{PICTURES}/trend", params={"theme": theme, "lang": lang}) for theme, lang in looks
    ]

    assert len({answer.content for answer in answers}) == 4
    for (theme, lang), answer in zip(looks, answers, strict=True):
        said = "Tasks a day: all plans" if lang == "en" else "每日任务：全部计划"
        assert said in texts_of(answer)
        assert ("fill: #1b2220" in answer.text) is (theme == "dark")


async def test_a_picture_that_is_opened_by_itself_can_run_nothing(api, counted):
    answer = await api.get(f"{PICTURES}/trend")

    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, max-age=60"
    root = ET.fromstring(answer.content)
    assert {each.tag.removeprefix(SVG) for each in root.iter()}.isdisjoint({"script", "foreignObject", "a"})
    assert not [name for each in root.iter() for name in each.attrib if name.lower().startswith("on")]


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", r"$\frac{1}{0}$", "\"'><img src=x onerror=alert(1)>", "随访 ]]> $ 5"],
)
async def test_a_name_is_text_in_the_picture_whatever_is_in_it(api, name):
    plan = await make_plan(api, name=name)
    await join(api, plan)

    for picture in ("trend", "completion", "retention"):
        answer = await api.get(f"{PICTURES}/{picture}", params={"dimension": "plan", "key": plan["id"]})

        assert any(text.endswith(f": {name}") for text in texts_of(answer)), picture


async def test_who_has_the_picture_already_is_told_so(api, counted, ward):
    first = await api.get(f"{PICTURES}/trend")
    tag = first.headers["etag"]

    again = await api.get(f"{PICTURES}/trend", headers={"If-None-Match": tag})
    other = await api.get(f"{PICTURES}/trend", params={"lang": "zh"}, headers={"If-None-Match": tag})
    await ward.submit(counted[1].id)
    await ward.count()
    await ward.sync()
    later = await api.get(f"{PICTURES}/trend", headers={"If-None-Match": tag})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200
    assert "completed, 2 in all" in texts_of(later)


async def test_pictures_asked_for_at_once_are_the_same(api, counted):
    answers = await asyncio.gather(*(api.get(f"{PICTURES}/trend") for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_head_answers_as_get_without_the_picture(api, counted):
    answer = await api.head(f"{PICTURES}/trend")

    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/svg+xml", b"")


async def test_the_pictures_there_are_are_listed(api):
    found = data_of(await api.get(PICTURES))

    every = ["tenant", "plan", "scale", "testee"]
    assert found == {
        "items": [
            {"name": "trend", "dimensions": every},
            {"name": "completion", "dimensions": every},
            {"name": "retention", "dimensions": ["plan"]},
        ],
        "install": None,
    }


async def test_without_the_drawing_library_nothing_is_listed_and_what_to_install_is_said(
    api, counted, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    listed = data_of(await api.get(PICTURES))
    answer = await api.get(f"{PICTURES}/trend")

    assert listed == {"items": [], "install": "pip install 'qs[plots]'"}
    problem = problem_of(answer, 503, "statistics.drawing_missing")
    assert "pip install 'qs[plots]'" in problem["detail"]
    assert problem["title"] == "Pictures cannot be drawn here"
    # Waiting does not help.
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("picture", ["pie", "Trend", "trend.svg", "%20", "a%2Fb", "x" * 300, "..%2F..", "量"])
async def test_a_picture_there_is_not_is_absent(api, picture):
    answer = await api.get(f"{PICTURES}/{picture}")

    problem_of(answer, 404, "statistics.picture_absent")


@pytest.mark.parametrize(
    ("dimension", "key"),
    [
        ("plan", ABSENT_ID),
        ("plan", "nonsense"),
        ("testee", ABSENT_ID),
        ("testee", "nonsense"),
        ("testee", "ext:nobody"),
        ("scale", "NONE"),
        ("tenant", ABSENT_ID),
        ("tenant", "nonsense"),
    ],
)
async def test_what_is_not_there_is_absent_however_it_is_named(api, dimension, key):
    pictures = ("trend", "completion", "retention") if dimension == "plan" else ("trend", "completion")

    for picture in pictures:
        answer = await api.get(f"{PICTURES}/{picture}", params={"dimension": dimension, "key": key})

        problem_of(answer, 404, "statistics.absent")


async def test_what_another_tenant_has_is_absent(api, counted, neighbour):
    for dimension, key in (
        ("plan", str(counted[0].plan_id)),
        ("testee", str(counted[0].testee_id)),
        ("tenant", TENANT_KEY),
    ):
        params = {"dimension": dimension, "key": key}
        assert (await api.get(f"{PICTURES}/trend", params=params)).status_code == 200
        foreign = await api.get(f"{PICTURES}/trend", params=params, headers=neighbour)
        problem_of(foreign, 404, "statistics.absent")

    own = texts_of(await api.get(f"{PICTURES}/trend", headers=neighbour))
    assert "nothing counted yet" in own
    assert "by what became of them · as of never (Europe/London)" in own


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("trend?dimension=nonsense", ["/dimension"]),
        ("trend?dimension=", ["/dimension"]),
        ("trend?dimension=plan", ["/key"]),
        ("trend?dimension=scale&key=", ["/key"]),
        (f"trend?dimension=scale&key={'x' * 301}", ["/key"]),
        ("trend?dimension=scale&key=a%00b", ["/key"]),
        ("trend?theme=sepia", ["/theme"]),
        ("trend?lang=de", ["/lang"]),
        ("trend?lang=en&lang=zh", ["/lang"]),
        ("trend?from=yesterday", ["/from"]),
        ("trend?from=2026-02-30", ["/from"]),
        ("trend?to=0001-01-01", ["/to"]),
        ("trend?to=9999-12-31", ["/to"]),
        ("trend?from=2026-02-01&to=2026-01-01", ["/from"]),
        ("trend?from=2026-01-01&to=2027-12-31", ["/from"]),
        ("completion?from=2026-01-01&to=2027-12-31", ["/from"]),
        ("trend?format=png", ["/format"]),
        ("retention", ["/dimension"]),
        ("retention?dimension=scale&key=PHQ-9", ["/dimension"]),
        (f"retention?dimension=plan&key={ABSENT_ID}&theme=x", ["/theme"]),
    ],
)
async def test_bad_input_is_refused_with_a_pointer(api, query, pointers):
    answer = await api.get(f"{PICTURES}/{query}")

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["pointer"] for each in answer.json()["errors"]] == pointers


@pytest.mark.parametrize("picture", ["completion", "retention"])
async def test_a_picture_that_is_not_by_date_takes_no_dates(api, counted, picture):
    whose = f"dimension=plan&key={counted[0].plan_id}"

    answer = await api.get(f"{PICTURES}/{picture}?{whose}&from=2060-03-01&to=2060-03-02")

    problem = problem_of(answer, 422, "statistics.picture_undated")
    assert [each["pointer"] for each in problem["errors"]] == ["/from", "/to"]


@pytest.mark.parametrize("dates", ["from=1900-01-01&to=1900-01-01", "from=2199-12-31", "to=1900-01-01"])
async def test_the_first_and_last_dates_there_are_have_an_empty_picture(api, counted, dates):
    assert "nothing counted yet" in texts_of(await api.get(f"{PICTURES}/trend?{dates}"))


async def test_the_document_says_that_it_is_a_picture(stranger):
    document = (await stranger.get("/schema/openapi.json")).json()

    operation = document["paths"][f"{PICTURES}/{{picture}}"]["get"]
    assert list(operation["responses"]["200"]["content"]) == ["image/svg+xml"]
    (path,) = [each for each in operation["parameters"] if each["in"] == "path"]
    assert path["schema"]["enum"] == ["trend", "completion", "retention"]
    said = {each["name"]: re.sub(r"\s+", " ", str(each)) for each in operation["parameters"]}
    assert said.keys() == {"picture", "dimension", "key", "from", "to", "theme", "lang"}
