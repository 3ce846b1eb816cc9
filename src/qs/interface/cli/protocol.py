"""HTTP/1.1 as uvicorn speaks it, without refusing what is merely long."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LONGEST_URL = 65_535


class LongUrlProtocol(HttpToolsProtocol):
    """A URL longer than the parser can take is cut, so that the application answers it in its own words.

    Nothing valid is that long: what is left of a token that was cut is as wrong as the whole.
    """

    def on_headers_complete(self) -> None:
        self.url = self.url[:_LONGEST_URL]
        super().on_headers_complete()
