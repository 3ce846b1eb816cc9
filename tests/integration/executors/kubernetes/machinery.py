"""What makes pods of Jobs and runs them: the Job controller and a node's kubelet, with scripts in place of images.

A container's args are its script: ``say TEXT``, ``env NAME``, ``flood LINES``, ``sleep S``, ``await NAME`` (until the
test lets it go on), ``exit N``, ``oom``, ``evict``, ``deaf`` (does not heed TERM), and as first word what keeps it from
running: ``unpullable``, ``misconfigured``, ``unschedulable``, ``unbegun`` (the quota admits no pod).
"""

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.executors.kubernetes.store import Object, Problem, Store, now

_OBSTACLES = {
    "unpullable": "ImagePullBackOff",
    "misconfigured": "CreateContainerConfigError",
}


@dataclass
class Log:
    """Lines with the instant in which they were written, and a bell for those who follow."""

    lines: list[tuple[datetime, bytes]] = field(default_factory=list)
    over: bool = False
    bell: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def write(self, line: bytes) -> None:
        async with self.bell:
            self.lines.append((datetime.now(UTC), line))
            self.bell.notify_all()

    async def close(self) -> None:
        async with self.bell:
            self.over = True
            self.bell.notify_all()


@dataclass
class Machinery:
    store: Store
    logs: dict[tuple[str, str], Log] = field(default_factory=dict)
    released: set[tuple[str, str]] = field(default_factory=set)
    pods_begun: dict[str, int] = field(default_factory=dict)
    """How often a pod was made for a Job of that execution: how often the work was begun."""
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _kills: dict[tuple[str, str], asyncio.Event] = field(default_factory=dict)

    def adopt(self, job: Object) -> None:
        """The Job controller notices a new Job."""
        task = asyncio.create_task(self._control(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def delete_job(self, job: Object) -> None:
        """In the foreground: the Job is gone when its pods are."""
        metadata = job["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]

        def mark(found: Object) -> None:
            found["metadata"].setdefault("deletionTimestamp", now())
            found["metadata"]["finalizers"] = ["foregroundDeletion"]

        await self.store.update("jobs", namespace, name, mark)
        for key in [key for key in self._kills if key[0] == namespace and key[1].startswith(name)]:
            self._kills[key].set()
        task = asyncio.create_task(self._collect(namespace, name, metadata["uid"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self, namespace: str, name: str, uid: str) -> None:
        def of_job(pod: Object) -> bool:
            return any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences", ()))

        while any(self._is_running(pod) for pod in self.store.select("pods", namespace, of_job)):
            async with self.store.changed:
                await self.store.changed.wait()
        for pod in self.store.select("pods", namespace, of_job):
            await self.store.remove("pods", namespace, pod["metadata"]["name"])
        await self.store.remove("jobs", namespace, name)

    def _is_running(self, pod: Object) -> bool:
        return (pod["metadata"]["namespace"], pod["metadata"]["name"]) in self._kills

    async def _control(self, job: Object) -> None:
        namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
        script = job["spec"]["template"]["spec"]["containers"][0].get("args", [])

        def begin(found: Object) -> None:
            found["status"] = {"startTime": now(), "active": 1}

        try:
            await self.store.update("jobs", namespace, name, begin)
            run = asyncio.create_task(
                self._run(job) if script[:1] != ["unbegun"] else asyncio.sleep(3600, "")
            )
            deadline = job["spec"].get("activeDeadlineSeconds")
            done, _ = await asyncio.wait({run}, timeout=deadline)
            if done:
                failure = run.result()
            else:
                failure = "DeadlineExceeded"
                await self._conclude(namespace, name, "FailureTarget", failure)
                await self._stop_pods(namespace, name, run)
            await self._conclude(namespace, name, "Failed" if failure else "Complete", failure)
        except Problem:
            # The Job was deleted meanwhile.
            return

    async def _stop_pods(self, namespace: str, name: str, run: "asyncio.Task[str]") -> None:
        running = [key for key in self._kills if key[0] == namespace and key[1].startswith(name)]
        for key in running:
            self._kills[key].set()
        if running:
            await run
        else:
            run.cancel()
        for pod in self.store.select("pods", namespace, lambda pod: pod["metadata"]["name"].startswith(name)):
            await self.store.remove("pods", namespace, pod["metadata"]["name"])

    async def _conclude(self, namespace: str, name: str, kind: str, reason: str) -> None:
        def conclude(found: Object) -> None:
            conditions = found["status"].setdefault("conditions", [])
            if kind == "Complete":
                conditions.append({"type": "SuccessCriteriaMet", "status": "True"})
            conditions.append({"type": kind, "status": "True", **({"reason": reason} if reason else {})})
            found["status"].pop("active", None)

        await self.store.update("jobs", namespace, name, conclude)

    async def _run(self, job: Object) -> str:
        """The pod of the Job, to its end. Returns why the Job failed; nothing where it did not."""
        template = job["spec"]["template"]
        name = f"{job['metadata']['name']}-{secrets.token_hex(3)[:5]}"
        namespace = job["metadata"]["namespace"]
        execution = job["metadata"]["labels"].get("qs.execution-id", "")
        self.pods_begun[execution] = self.pods_begun.get(execution, 0) + 1
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": template.get("metadata", {}).get("labels", {}),
                "ownerReferences": [
                    {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
                ],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        key = (namespace, name)
        self._kills[key] = asyncio.Event()
        self.logs[key] = Log()
        await self.store.create("pods", pod)
        try:
            end = await _Container(self, key, template["spec"], str(job["metadata"]["name"])).run()
        finally:
            del self._kills[key]
            await self.logs[key].close()
        await self._say(
            key,
            phase="Failed" if end["exitCode"] else "Succeeded",
            state={"terminated": end},
            **({"reason": "Evicted"} if end.get("reason") == "Evicted" else {}),
        )
        return "BackoffLimitExceeded" if end["exitCode"] else ""

    async def _say(
        self, key: tuple[str, str], *, phase: str, state: dict[str, Any] | None = None, **more: Any
    ) -> None:
        def say(found: Object) -> None:
            found["status"] |= {"phase": phase, **more}
            if state is not None:
                container = found["spec"]["containers"][0]["name"]
                found["status"]["containerStatuses"] = [{"name": container, "state": state}]

        await self.store.update("pods", *key, say)

    async def say(self, key: tuple[str, str], **said: Any) -> None:
        await self._say(key, **said)

    def killed(self, key: tuple[str, str]) -> asyncio.Event:
        return self._kills[key]


class _Container:
    def __init__(self, machinery: Machinery, key: tuple[str, str], spec: Object, job: str) -> None:
        self._machinery = machinery
        self._key = key
        self._grace = spec.get("terminationGracePeriodSeconds", 30)
        self._log = machinery.logs[key]
        self._job = job
        container = spec["containers"][0]
        self._env: dict[str, str] = {}
        for variable in container.get("env", []):
            self._env[variable["name"]] = _expanded(variable.get("value", ""), self._env)
        self._script = [_expanded(arg, self._env) for arg in container.get("args", [])]

    async def run(self) -> dict[str, Any]:
        """The terminated state."""
        deaf = "deaf" in self._script
        work = asyncio.create_task(self._work())
        kill = asyncio.create_task(self._machinery.killed(self._key).wait())
        await asyncio.wait({work, kill}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and deaf:
            await asyncio.wait({work}, timeout=self._grace)
        kill.cancel()
        if work.done():
            return work.result()
        work.cancel()
        return {"exitCode": 137 if deaf else 143, "reason": "Error"}

    async def _work(self) -> dict[str, Any]:
        if await self._is_kept_from_running():
            await asyncio.sleep(3600)
        await self._machinery.say(self._key, phase="Running", state={"running": {"startedAt": now()}})
        for order in self._script:
            word, _, rest = order.partition(" ")
            end = await self._do(word, rest)
            if end is not None:
                return end
        return {"exitCode": 0, "reason": "Completed"}

    async def _is_kept_from_running(self) -> bool:
        word = self._script[0] if self._script else ""
        if reason := _OBSTACLES.get(word):
            await self._machinery.say(self._key, phase="Pending", state={"waiting": {"reason": reason}})
        elif word == "unschedulable":
            conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
            await self._machinery.say(self._key, phase="Pending", conditions=conditions)
        else:
            return False
        return True

    async def _do(self, word: str, rest: str) -> dict[str, Any] | None:
        if word == "say":
            await self._log.write(rest.encode() + b"\n")
        elif word == "env":
            await self._log.write(f"{rest}={self._env.get(rest, '')}\n".encode())
        elif word == "flood":
            for number in range(int(rest)):
                await self._log.write(f"line {number:06d} {'x' * 80}\n".encode())
                if number % 500 == 0:
                    await asyncio.sleep(0)
        elif word == "tick":
            for number in range(int(rest)):
                await self._log.write(f"tick {number}\n".encode())
                await asyncio.sleep(0.02)
        elif word == "long":
            await self._log.write(b"y" * int(rest) + b"\n")
        elif word == "sleep":
            await asyncio.sleep(float(rest))
        elif word == "await":
            deadline = time.monotonic() + 60
            while (self._key[0], rest) not in self._machinery.released and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
        elif word == "exit":
            return {"exitCode": int(rest), "reason": "Error" if int(rest) else "Completed"}
        elif word == "oom":
            return {"exitCode": 137, "reason": "OOMKilled"}
        elif word == "evict":
            return {"exitCode": 137, "reason": "Evicted"}
        elif word == "nonsense":
            return {"exitCode": 128, "reason": "StartError"}
        return None


def _expanded(text: str, environment: dict[str, str]) -> str:
    """``$(NAME)`` replaced and ``$$`` made one dollar, as kubelet does it (third_party/forked/golang/expansion)."""

    def replacement(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return environment.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replacement, text)


def written(moment: datetime, offset: timedelta = timedelta()) -> str:
    """An instant as kubelet writes it before a line: nine digits, and the node's own zone."""
    local = (moment + offset).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123"
    if not offset:
        return local + "Z"
    hours, minutes = divmod(int(offset.total_seconds()) // 60, 60)
    return f"{local}+{hours:02d}:{minutes:02d}"
