"""The part of WeChat's server API that sends subscribe messages, on loopback, with its rules and its error codes.

Written from developers.weixin.qq.com (stable_token, subscribeMessage.send), not from what calls it here.
"""

import json
import re
import ssl
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.receivers import Received, WebReceiver

APPID, SECRET = "wx5f0a1b2c3d4e5f60", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
TEMPLATE = "sBDIJVpIZJr7WIuMrxZyhkTxPiTJ0dyMbg4bE4jVmQA"

_FIELDS = {
    "thing": re.compile(r".{1,20}", re.DOTALL),
    "character_string": re.compile(r"[\x21-\x7e]{1,32}"),
    "time": re.compile(r"(\d{4}年\d{1,2}月\d{1,2}日 )?\d{1,2}:\d{2}"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}"),
    "number": re.compile(r"\d{1,32}"),
}
_WORDS = {
    0: "ok",
    40001: "invalid credential, access_token is invalid or not latest",
    40003: f"invalid openid hint: [{OPENID}]",
    43101: "user refuse to accept the msg",
}


def told(errcode: int, errmsg: str | None = None) -> bytes:
    """An answer of WeChat's, as it stands on the wire."""
    return _http({"errcode": errcode, "errmsg": errmsg or _WORDS.get(errcode, "fail")})


class WechatServer(WebReceiver):
    """``agreed`` counts, by (openid, template), how many messages somebody said yes to; each that is sent takes one.

    ``answers`` are given to sends alone, in the place of its own. ``sent`` are the bodies of messages that went out.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.agreed: Counter[tuple[str, str]] = Counter()
        self.pages = {"pages/task/index"}
        self.sent: list[dict[str, Any]] = []
        self.token_answers: list[bytes] = []
        self.tokens_asked: list[bool] = []
        """For each time a token was asked for, whether it was by force."""
        self.token_lives_s = 7200
        self._generation = 1

    @property
    def base_url(self) -> str:
        return self.url.removesuffix("/notifications")

    @property
    def token(self) -> str:
        return f"68_token+of/generation={self._generation}"

    def end_token(self) -> None:
        """What it gave out until now is refused from here on; a new one is given to who asks."""
        self._generation += 1

    @property
    def sends(self) -> list[dict[str, Any]]:
        """The body of every send that arrived, whatever became of it."""
        return [each.json for each in self.received if each.target.startswith("/cgi-bin/message/")]

    def _answer_to(self, received: Received) -> int | bytes | str:
        url = urlsplit(received.target)
        if url.path == "/cgi-bin/stable_token":
            return self.token_answers.pop(0) if self.token_answers else self._give_token(received.json)
        if url.path != "/cgi-bin/message/subscribe/send":
            return 404
        if self.answers:
            return self.answers.pop(0)
        if parse_qs(url.query).get("access_token") != [self.token]:
            return told(40001)
        return self._send(received.json)

    def _give_token(self, body: dict[str, Any]) -> bytes:
        if body.get("grant_type") != "client_credential":
            return told(40002)
        if body.get("appid") != APPID:
            return told(40013)
        if body.get("secret") != SECRET:
            return told(40125)
        self.tokens_asked.append(body.get("force_refresh", False))
        if body.get("force_refresh"):
            self.end_token()
        return _http({"access_token": self.token, "expires_in": self.token_lives_s})

    def _send(self, body: dict[str, Any]) -> bytes:
        if not re.fullmatch(r"o[A-Za-z0-9_-]{27}", body["touser"]):
            return told(40003)
        if body["template_id"] != TEMPLATE:
            return told(40037)
        for key, field in body["data"].items():
            shape = _FIELDS.get(key.rstrip("0123456789"))
            if shape is None or not shape.fullmatch(field["value"]):
                return told(47003, f"argument invalid! data.{key}.value invalid, {field['value']}")
        if "page" in body and body["page"].partition("?")[0] not in self.pages:
            return told(41030)
        whom = (body["touser"], body["template_id"])
        if not self.agreed[whom]:
            return told(43101)
        self.agreed[whom] -= 1
        self.sent.append(body)
        return told(0)


def _http(answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer, ensure_ascii=False).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json; encoding=utf-8\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
