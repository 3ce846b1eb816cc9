"""Finding a cluster and showing who we are, and doing so anew when that is no longer believed.

``kubernetes-asyncio`` knows kubeconfigs, the account of a pod and the plug-ins of clouds. It is an optional dependency and
takes a second to import, so that is done when the first Job is run, and beside the event loop.
"""

import asyncio
import importlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qs.infra.scheduler.executors.kubernetes_errors import KubernetesUnusable

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Connection:
    """A client of the library with one set of credentials. It is closed when it is stale and nobody uses it."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.users = 0
        self.is_stale = False


class Connections:
    """The connection with the credentials that were good last. Raises KubernetesUnusable."""

    def __init__(self, kubeconfig: Path | None, context: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._latest: Connection | None = None
        self._connecting = asyncio.Lock()

    async def take(self) -> Connection:
        """A connection to use, and to be given back."""
        async with self._connecting:
            if self._latest is None:
                self._latest = Connection(await self._connect())
            self._latest.users += 1
            return self._latest

    async def exchange(self, refused: Connection) -> Connection:
        """One with fresh credentials for one whose were refused. Streams that are open on that go on."""
        async with self._connecting:
            if self._latest is None or self._latest is refused:
                fresh = Connection(await self._connect())
                refused.is_stale = True
                self._latest = fresh
            taken = self._latest
            taken.users += 1
        await self.give_back(refused)
        return taken

    async def give_back(self, connection: Connection) -> None:
        connection.users -= 1
        if connection.is_stale and not connection.users:
            await connection.api.close()

    async def aclose(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            await latest.api.close()

    async def _connect(self) -> Any:
        library, config = await asyncio.to_thread(_library)
        settings = library.Configuration()
        try:
            if self._kubeconfig is None:
                config.load_incluster_config(settings)
            else:
                await config.load_kube_config(
                    str(self._kubeconfig), self._context, settings, persist_config=False
                )
            _harden(settings)
            return library.ApiClient(settings)
        except KubernetesUnusable:
            raise
        except Exception as error:
            # Credential plug-ins raise what they like.
            raise KubernetesUnusable(
                f"its configuration could not be read ({type(error).__name__}); see scheduler.kubernetes.kubeconfig"
            ) from error


def _library() -> tuple[Any, Any]:
    try:
        return (
            importlib.import_module("kubernetes_asyncio.client"),
            importlib.import_module("kubernetes_asyncio.config"),
        )
    except ImportError as error:
        raise KubernetesUnusable(
            "its client library is not installed; install it with `pip install qs[kubernetes]`"
        ) from error


def _harden(settings: Any) -> None:
    server = urlsplit(settings.host)
    if server.scheme != "https" and server.hostname not in _LOOPBACK:
        raise KubernetesUnusable("the kubeconfig names a server without TLS; write its address with https://")
    if not settings.verify_ssl:
        raise KubernetesUnusable(
            "the kubeconfig says insecure-skip-tls-verify, so anybody could pose as the server; name the "
            "certificate-authority instead"
        )
    token = settings.api_key.get("BearerToken")
    if token:
        # A token file ends with a line feed more often than not.
        settings.api_key["BearerToken"] = token.strip()
    # From Python 3.13 on, certificates as kubeadm makes them would be refused for want of an identifier.
    settings.disable_strict_ssl_verification = True
    # Each attempt holds some connections open; a limit would let the others wait for its end.
    settings.connection_pool_maxsize = 0
