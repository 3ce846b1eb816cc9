"""Which images a list of patterns allows."""

import pytest

from qs.infra.scheduler.executors.kubernetes_images import AllowedImages, ImagePatternRefused, ImageReference

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        (
            "registry.example.com/team/report",
            [
                "registry.example.com/team/report",
                "registry.example.com/team/report:9",
                f"registry.example.com/team/report@{DIGEST}",
            ],
            ["registry.example.com/team/reports", "registry.example.com/team", "team/report"],
        ),
        (
            "host:5000/app",
            ["host:5000/app", "host:5000/app:1"],
            ["host/app", "host:5001/app", "host:5000/app/b"],
        ),
        (
            "host.io/app:v1",
            ["host.io/app:v1"],
            ["host.io/app:v10", "host.io/app", f"host.io/app:v1@{DIGEST}"],
        ),
        (
            "host.io/app:v1.*",
            ["host.io/app:v1.", "host.io/app:v1.2-rc"],
            ["host.io/app:v1", "host.io/app:v2.1"],
        ),
        ("host.io/app:v?", ["host.io/app:v1"], ["host.io/app:v12"]),
        ("host.io/app:latest", ["host.io/app", "host.io/app:latest"], ["host.io/app:1"]),
        (
            f"host.io/app@{DIGEST}",
            [f"host.io/app@{DIGEST}", f"host.io/app:1@{DIGEST}"],
            [f"host.io/app@{OTHER}", "host.io/app:1"],
        ),
        ("host.io/app@sha256:*", [f"host.io/app@{DIGEST}"], ["host.io/app", "host.io/app:1"]),
        (
            "host.io/app:v1@sha256:*",
            [f"host.io/app:v1@{DIGEST}"],
            [f"host.io/app@{DIGEST}", "host.io/app:v1"],
        ),
        ("alpine", ["alpine", "alpine:3"], ["docker.io/library/alpine", "evil/alpine"]),
    ],
)
def test_a_repository_is_exact_and_a_tag_or_digest_as_the_pattern_has_it(pattern, allowed, refused):
    images = AllowedImages([pattern])

    assert [image for image in allowed + refused if images.allows(ImageReference.parse(image))] == allowed


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "host.io/*",
        "*.host.io/app",
        "host.io/app*",
        "",
        "host.io/app:",
        "host.io/App",
        "host.io/app@md5:*",
        "a b",
        "host.io/app:[12]",
    ],
)
def test_a_pattern_that_leaves_the_repository_open_is_refused(pattern):
    with pytest.raises(ImagePatternRefused):
        AllowedImages([pattern])


def test_nothing_is_allowed_by_default():
    assert not AllowedImages([]).allows(ImageReference.parse("alpine"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:",
        "a@",
        "-a",
        "a/",
        "/a",
        "a//b",
        "A/b",
        "a:b:c",
        f"a@{DIGEST}x",
        "a\n",
        "a" * 600,
        "a__-b",
        "h:99999999/a",
    ],
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ValueError, match="no image reference"):
        ImageReference.parse(text)
