"""A browser without scripts: it opens pages, follows links and sends forms as they are on the page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin

from httpx import AsyncClient, Response

ORIGIN = "http://qs.test"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Form:
    """``pairs`` are what would be sent untouched; ``buttons`` the values of those that have a name."""

    method: str = "get"
    action: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def fields(self) -> dict[str, str]:
        """The fields by name, of several of one name the last."""
        return dict(self.pairs)


class _Reader(HTMLParser):
    """Text, links and forms of a page, and every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._textarea = ""
        self._is_chosen = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "form":
            self.forms.append(Form(given.get("method", "get").lower(), given.get("action", "")))
        elif self.forms and tag in ("input", "select", "textarea", "option", "button"):
            self._control(tag, given, self.forms[-1])

    def _control(self, tag: str, given: dict[str, str], form: Form) -> None:
        name = given.get("name", "")
        if tag == "select":
            self._is_chosen = False
            form.pairs.append((name, ""))
        elif tag == "option":
            # The first option is what is chosen unless another says that it is.
            if not self._is_chosen or "selected" in given:
                form.pairs[-1] = (form.pairs[-1][0], given.get("value", ""))
            self._is_chosen = True
        elif tag == "textarea":
            self._textarea = name
            form.pairs.append((name, ""))
        elif tag == "button" and name:
            form.buttons.append((name, given.get("value", "")))
        elif tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            form.pairs.append((name, given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            name, before = self.forms[-1].pairs[-1]
            self.forms[-1].pairs[-1] = (name, before + data)
        else:
            self.pieces.append(data)


class Page:
    """An answer as a person sees it."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.status = response.status_code
        self._read = _Reader(response.text)
        self.text = " ".join(" ".join(self._read.pieces).split())
        self.links = self._read.links
        self.tags = self._read.tags

    @property
    def path(self) -> str:
        return self.response.request.url.raw_path.decode()

    def form(
        self, action: str | None = None, *, holding: str | None = None, method: str | None = None
    ) -> Form:
        """The one form that is sent to ``action``, that has that field, or that is sent by that method."""
        found = [
            form
            for form in self._read.forms
            if (action is None or form.action == action)
            and (holding is None or holding in form.fields)
            and method in (None, form.method)
        ]
        assert len(found) == 1, (self.path, found)
        return found[0]


class Browser:
    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def open(self, path: str, status: int = 200) -> Page:
        page = Page(await self.client.get(path, follow_redirects=True))
        assert page.status == status, (page.path, page.text)
        return page

    async def send(
        self, page: Page, form: Form, status: int = 200, *, button: str | None = None, **fields: Any
    ) -> Page:
        """The page that sending the form leads to; a field of None is taken out, as an unticked box is."""
        pressed = [pair for pair in form.buttons if pair[1] == button]
        pairs = [pair for pair in form.pairs if pair[0] not in fields] + pressed
        pairs += [(name, str(value)) for name, value in fields.items() if value is not None]
        url = urljoin(str(page.response.request.url), form.action)
        if form.method == "get":
            answer = await self.client.get(url, params=urlencode(pairs), follow_redirects=True)
        else:
            answer = await self.client.post(
                url,
                content=urlencode(pairs),
                headers={"Origin": ORIGIN, "Content-Type": FORM},
                follow_redirects=True,
            )
        found = Page(answer)
        assert found.status == status, (found.path, found.text)
        return found

    async def sign_in(
        self, username: str, password: str, status: int = 200, path: str = "/dashboard"
    ) -> Page:
        page = await self.open(path)
        form = page.form(holding="username")
        return await self.send(page, form, status, username=username, password=password)
