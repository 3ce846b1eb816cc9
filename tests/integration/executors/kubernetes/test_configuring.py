"""How the cluster is found, and what is refused before a credential is sent anywhere."""

import sys

import pytest

from qs.application.scheduler.executors import AttemptStatus
from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor, KubernetesRulesRefused
from tests.integration.executors.kubernetes.clusters import an_attempt, make_certificate


async def _refusal(executor: KubernetesExecutor) -> str:
    outcome = await executor.execute(an_attempt())
    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, False)
    return outcome.error or ""


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"namespace": "a/../kube-system"}, "namespace"),
        ({"namespace": ""}, "namespace"),
        ({"max_cpu": "many"}, "max_cpu"),
        ({"max_memory": "400m"}, "max_memory"),
    ],
)
def test_settings_that_mean_nothing_are_refused_at_start(make_executor, changed, setting):
    with pytest.raises(KubernetesRulesRefused, match=setting):
        make_executor(**changed)


async def test_without_the_client_library_the_way_to_install_it_is_told(make_executor, monkeypatch):
    for name in ("kubernetes_asyncio.client", "aiohttp"):
        monkeypatch.setitem(sys.modules, name, None)

    assert "pip install qs[kubernetes]" in await _refusal(make_executor())


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"insecure-skip-tls-verify": True}, "insecure-skip-tls-verify"),
        ({"server": "http://10.0.0.1:8080"}, "without TLS"),
    ],
)
async def test_a_server_that_anybody_could_be_is_not_spoken_to(make_executor, space, named, told):
    space.write_kubeconfig(**named)

    assert told in await _refusal(make_executor())


async def test_a_server_of_another_authority_is_not_spoken_to(make_executor, space, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    certificate, _ = make_certificate(other)
    space.write_kubeconfig(**{"certificate-authority": str(certificate)})

    assert "certificate" in await _refusal(make_executor())
    assert (await space.look())["calls"] == {}


async def test_an_authority_that_is_no_certificate_is_named(make_executor, space, tmp_path):
    (tmp_path / "ca.crt").write_text("nonsense")
    space.write_kubeconfig(**{"certificate-authority": str(tmp_path / "ca.crt")})

    assert "scheduler.kubernetes.kubeconfig" in await _refusal(make_executor())


@pytest.mark.parametrize("content", [None, "", "{", "a: b", "[]"])
async def test_a_kubeconfig_that_cannot_be_read_is_named(make_executor, space, content):
    if content is None:
        space.kubeconfig.unlink()
    else:
        space.kubeconfig.write_text(content)

    assert "scheduler.kubernetes.kubeconfig" in await _refusal(make_executor())


async def test_in_a_pod_the_credentials_of_its_account_are_used(make_executor, space, monkeypatch):
    host, port = space.address.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    account = "kubernetes_asyncio.config.incluster_config"
    token = space.folder / "account-token"
    token.write_text(space.token_file.read_text().strip())
    defaults = {"token_filename": str(token), "cert_filename": str(space.address.authority)}
    module = pytest.importorskip(account)
    loader = module.InClusterConfigLoader
    monkeypatch.setattr(module, "InClusterConfigLoader", lambda **given: loader(**(given | defaults)))

    outcome = await make_executor(kubeconfig=None).execute(an_attempt())

    assert outcome.status is AttemptStatus.SUCCEEDED


async def test_outside_of_a_cluster_without_a_kubeconfig_that_is_said(make_executor, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    assert "scheduler.kubernetes.kubeconfig" in await _refusal(make_executor(kubeconfig=None))
