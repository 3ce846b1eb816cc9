"""Which container images jobs may run: references, and the patterns that allow them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from qs.domain.kernel.errors import QsError

_LONGEST = 512
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?"
_NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
# The first part is a registry where it could be nothing else; otherwise it is a name like the others.
_REPOSITORY = re.compile(rf"(?:(?=[^/]*[.:]|localhost/)({_HOST})/)?{_NAME}(?:/{_NAME})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG_PATTERN = re.compile(r"[A-Za-z0-9_*?][A-Za-z0-9._*?-]{0,127}")
_DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f*?]{1,64}")


class ImagePatternRefused(QsError):
    """An entry of the list of allowed images means nothing, or too much."""

    code = "settings.kubernetes_image"

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"{pattern[:200]!r} names no image repository exactly, so it cannot allow one; write it under "
            "scheduler.kubernetes.images as registry/repository, with :tag or @sha256:digest after it where those "
            "matter (only there may * and ? stand)"
        )


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``registry/repository:tag@digest`` as it was written: what a reference leaves out is not filled in."""

    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Raises ValueError: a container runtime would not take it, or might read it differently."""
        reference = _split(text)
        if not (
            len(text) <= _LONGEST
            and _REPOSITORY.fullmatch(reference.repository)
            and (reference.tag is None or _TAG.fullmatch(reference.tag))
            and (reference.digest is None or _DIGEST.fullmatch(reference.digest))
        ):
            raise ValueError("it is no image reference such as registry.example.com/team/report:1.4")
        return reference


class AllowedImages:
    """The images that may be run. A repository is compared letter by letter; nothing is allowed by default.

    A pattern without tag and digest allows every one of its repository. One with a tag allows no digest, since the
    digest is what would be run whatever the tag beside it says.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises ImagePatternRefused."""
        self._allowed = [_pattern(pattern) for pattern in patterns]

    def allows(self, image: ImageReference) -> bool:
        return any(_matches(pattern, image) for pattern in self._allowed)


def _split(text: str) -> ImageReference:
    rest, at, digest = text.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        # The colon belongs to the registry's port.
        head, colon, tag = rest, "", ""
    return ImageReference(head, tag if colon else None, digest if at else None)


def _pattern(text: str) -> ImageReference:
    pattern = _split(text)
    if not (
        len(text) <= _LONGEST
        and _REPOSITORY.fullmatch(pattern.repository)
        and (pattern.tag is None or _TAG_PATTERN.fullmatch(pattern.tag))
        and (pattern.digest is None or _DIGEST_PATTERN.fullmatch(pattern.digest))
    ):
        raise ImagePatternRefused(text)
    return pattern


def _matches(pattern: ImageReference, image: ImageReference) -> bool:
    if pattern.repository != image.repository:
        return False
    if pattern.tag is None and pattern.digest is None:
        return True
    if pattern.digest is None:
        return image.digest is None and _like(pattern.tag, image.tag or "latest")
    return _like(pattern.digest, image.digest) and (pattern.tag is None or _like(pattern.tag, image.tag))


def _like(pattern: str | None, text: str | None) -> bool:
    if pattern is None or text is None:
        return pattern is text
    translated = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(translated, text) is not None
