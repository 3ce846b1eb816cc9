from typing import Any

from tests.integration.plan_http.steps import V1, WEEKLY, data_of, pointers_of, problem_of

WHO5 = {"code": "WHO-5", "title": {"zh": "幸福感指数", "en": "Well-Being Index"}}


async def test_the_catalogue_begins_with_published_scales(api):
    page = data_of(await api.get(f"{V1}/scales"))

    assert [(scale["code"], scale["published"]) for scale in page["items"]] == [
        ("GAD-7", True),
        ("PHQ-9", True),
    ]
    assert set(page["items"][0]["title"]) == {"zh", "en"}


async def test_a_scale_is_added_once_and_may_be_asked_from_then_on(api, neighbour):
    added = await api.post(f"{V1}/scales", json=WHO5)

    scale = data_of(added, 201)
    assert added.headers["Location"] == f"{V1}/scales/WHO-5"
    assert (scale["title"], scale["version"], scale["published"]) == (WHO5["title"], "1", True)
    assert data_of(await api.get(f"{V1}/scales/WHO-5")) == scale
    problem_of(await api.post(f"{V1}/scales", json=WHO5), 409, "scale.exists")
    problem_of(await api.get(f"{V1}/scales/WHO-5", headers=neighbour), 404, "scale.absent")
    data_of(await api.post(f"{V1}/plans", json=WEEKLY | {"scale_code": "WHO-5"}), 201)


async def test_a_scale_that_is_not_published_may_not_be_asked(api):
    data_of(await api.post(f"{V1}/scales", json=WHO5 | {"published": False}), 201)

    refused = await api.post(f"{V1}/plans", json=WEEKLY | {"scale_code": "WHO-5"})

    assert pointers_of(refused, "plan.unknown_scale") == ["/scale_code"]


REFUSED_SCALES: list[tuple[dict[str, Any], str]] = [
    ({"code": "a b"}, "/code"),
    ({"code": "x" * 65}, "/code"),
    ({"title": {"zh": "x"}}, "/title/en"),
    ({"title": {"zh": "x", "en": " "}}, "/title/en"),
    ({"title": {"zh": "x", "en": "x", "fr": "x"}}, "/title/fr"),
    ({"version": ""}, "/version"),
    ({"published": "yes"}, "/published"),
    ({"items": []}, "/items"),
]


async def test_a_scale_that_breaks_a_rule_is_refused(api):
    for change, pointer in REFUSED_SCALES:
        assert pointers_of(await api.post(f"{V1}/scales", json=WHO5 | change), "invalid") == [pointer]


async def test_a_scale_that_is_not_there_is_absent(api):
    for code in ["NOPE", "x" * 300, "%F0%9F%92%A9"]:
        problem_of(await api.get(f"{V1}/scales/{code}"), 404, "scale.absent")
