"""A worker that runs one attempt and writes its output to its own; somebody else kills it."""

import asyncio
import json
import sys
from pathlib import Path
from uuid import UUID

from qs.application.scheduler.executors import OutputStream
from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor, KubernetesRules
from tests.integration.executors.kubernetes.clusters import Written, an_attempt


class Standard(Written):
    """An Output that is somebody else's input."""

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


async def main(told: str) -> None:
    given = json.loads(told)
    rules = KubernetesRules(
        namespace=given["namespace"],
        kubeconfig=Path(given["kubeconfig"]),
        images=("registry.example.com/team/report",),
    )
    attempt = an_attempt(
        *given["args"],
        execution_id=UUID(given["execution_id"]),
        job_id=UUID(given["job_id"]),
        output=Standard(),
    )
    await KubernetesExecutor(rules).execute(attempt)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
