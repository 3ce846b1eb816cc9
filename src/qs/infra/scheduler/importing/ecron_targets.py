"""What an ECron job runs, as a target here: a call, a command of the allow-list, or a pod."""

import os.path
import re
from collections.abc import Mapping
from typing import Any

from qs.infra.scheduler.executors.command_params import USUAL_LENGTH
from qs.infra.scheduler.files.showing import is_secret_name, shown
from qs.infra.scheduler.importing.commands import draft_command
from qs.infra.scheduler.importing.hiding import SecretNames
from qs.infra.scheduler.importing.imported import Draft, slug

Target = dict[str, Any]

_METHODS = ("GET", "DELETE", "PUT", "POST")
# They steer the transport, or are set by qs.
_STEERING = re.compile(
    r"host|content-length|transfer-encoding|connection|upgrade|te|trailer|webhook|idempotency-key|traceparent|tracestate"
    r"|x-qs-.*",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(https?://)([^/@?#\s]+)@")
_QUERY = re.compile(r"([?&])([^=&#]+)=([^&#]*)")
_PARAM = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "busybox"})
_CREDENTIALS = re.compile(r"authorization|proxy-authorization|cookie|x-api-key", re.IGNORECASE)


def target_of(
    draft: Draft, secrets: SecretNames, line: int, name: str, context: Mapping[str, Any]
) -> Target | None:
    """The target, or None where there is none; whatever is not the same any more is noted."""
    raw = context.get("info")
    info: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    mode, program = str(context.get("mode") or "").lower(), str(context.get("exec") or "")
    drafting = _Drafting(draft, secrets, line, f"job {shown(name)}")
    if mode in ("http", "https"):
        return drafting.http(mode, program, info, context)
    if mode == "kubernetes" or (mode == "exe" and info.get("kubernetes")):
        return drafting.kubernetes(program, info)
    if mode == "exe":
        return drafting.command(program, info)
    drafting.note(f"mode {shown(mode)} is none of http, https, exe and kubernetes", "write this job by hand")
    return None


class _Drafting:
    def __init__(self, draft: Draft, secrets: SecretNames, line: int, what: str) -> None:
        self._draft = draft
        self._secrets = secrets
        self._line = line
        self._what = what

    def note(self, why: str, what_to_do: str) -> None:
        self._draft.note(self._line, self._what, why, what_to_do)

    def http(self, mode: str, url: str, info: Mapping[str, Any], context: Mapping[str, Any]) -> Target:
        method = str(info.get("method") or "POST").upper()
        if method not in _METHODS:
            self._draft.carried(
                self._line, self._what, f"method {shown(method)} is none that ECron sends; it sent POST"
            )
            method = "POST"
        headers = self._headers(info.get("headers"))
        target: Target = {"method": method, "url": self._url(mode, url, headers)}
        if headers:
            target["headers"] = headers
        body = info.get("body")
        if body not in (None, {}, "") and method in ("GET", "DELETE"):
            self._draft.carried(
                self._line, self._what, f"its body was never sent, since ECron sends none with {method}"
            )
        elif body not in (None, {}, ""):
            target["body"] = self._secrets.hidden_within(self._line, body)
        if info.get("params"):
            self._draft.carried(
                self._line, self._what, "params were never sent, since ECron takes them for commands only"
            )
        if context.get("async") is True or info.get("async") is True:
            target["async"] = True
        return {"http": target}

    def command(self, text: str, info: Mapping[str, Any]) -> Target | None:
        # ECron splits at every blank and knows no quotes.
        argv = text.split(" ")
        if not argv[0]:
            self.note("exec is empty, so nothing says which program to run", "write this job by hand")
            return None
        params = self._params(info)
        typed = all(_PARAM.fullmatch(key) and _is_value(value) for key, value in params.items())
        if not typed or os.path.basename(argv[0]) in _SHELLS:
            argv, params = [*argv, *params.values()], {}
        name = draft_command(
            self._draft,
            self._line,
            argv,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            params=list(params),
            # Clients of ECron's routes name the entry by the same command line.
            name=slug(text),
        )
        return {"command": {"name": name, "params": params} if params else name}

    def kubernetes(self, text: str, info: Mapping[str, Any]) -> Target | None:
        raw = info.get("kubernetes")
        pod: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        if info.get("body"):
            self.note(
                "its body is a whole Job, and here a job chooses no more than image, command, args, env and resources",
                "put the rest into the Job template (scheduler.kubernetes.template_file)",
            )
        target: Target = {}
        if image := str(pod.get("image") or self._from_body(info.get("body")) or ""):
            target["image"] = image
            if command := [*text.split(), *self._params(info).values()]:
                target["command"] = command
        elif text:
            target["image"] = text
        else:
            self.note("nothing names the image of its pod", "write this job by hand")
            return None
        if pod.get("addr"):
            self._draft.carried(
                self._line,
                self._what,
                f"the API server {shown(pod['addr'])} is that of the worker's own cluster here",
            )
        return {"kubernetes": target}

    def _params(self, info: Mapping[str, Any]) -> dict[str, str]:
        raw = info.get("params")
        params = raw if isinstance(raw, Mapping) else {}
        if len(params) > 1:
            self.note(
                f"ECron handed the values of params ({', '.join(map(str, params))[:100]}) over in an order left to chance",
                "put the arguments of its command into the right order",
            )
        return {str(key): str(value) for key, value in params.items()}

    def _headers(self, raw: Any) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in (raw if isinstance(raw, Mapping) else {}).items():
            if _STEERING.fullmatch(str(name)):
                self._draft.carried(
                    self._line, self._what, f"the header {shown(str(name))} is set by qs or not at all"
                )
            elif _CREDENTIALS.fullmatch(str(name)) and not is_secret_name(str(name)):
                headers[str(name)] = self._secrets.reference(self._line, str(name), str(value))
            else:
                headers[str(name)] = self._secrets.hidden(self._line, str(name), str(value))
        return headers

    def _url(self, mode: str, url: str, headers: dict[str, str]) -> str:
        url = url if "://" in url else f"{mode}://{url}"
        if match := _USERINFO.match(url):
            url = url.replace(match[0], match[1], 1)
            reference = self._secrets.reference(self._line, "login", match[2])
            headers.setdefault("Authorization", f"Basic {reference}")
            self.note(
                "the address held a name and a password, which no address may here; they became the header Authorization",
                "set that secret to the base64 of name:password",
            )
        url = url.partition("#")[0]
        if url.lower().startswith("http://"):
            self.note(
                "it is called over http, which leaves the machine in clear and is refused unless the network is allowed",
                "use https, or allow the network under outbound.allow_networks",
            )
        return _QUERY.sub(self._hidden_in_query, url)

    def _hidden_in_query(self, match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}={self._secrets.hidden(self._line, match[2], match[3])}"

    def _from_body(self, body: Any) -> Any:
        """The image that a whole Job names."""
        for key in ("spec", "template", "spec", "containers"):
            body = body.get(key) if isinstance(body, Mapping) else None
        first = body[0] if isinstance(body, list) and body else {}
        return first.get("image") if isinstance(first, Mapping) else None


def _is_value(text: str) -> bool:
    """Whether a parameter of the allow-list may have it; a leading hyphen would make it an option."""
    return 1 <= len(text) <= USUAL_LENGTH and text.isprintable() and not text.startswith("-")
