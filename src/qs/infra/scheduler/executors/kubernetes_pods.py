"""The part of a pod that qs submits: what these types cannot say, no pod of qs can have.

They are the names of core/v1 (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/) without all
that leaves the pod, and refuse what the restricted Pod Security Standard forbids. Their defaults are its demands.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

# Of the rest of the pod (where it runs, how it resolves names) nothing can weaken its confinement.
Free = dict[str, Any]

Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")]
EnvName = Annotated[str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,127}\Z")]
Key = Annotated[str, Meta(pattern=r"\A[-._a-zA-Z0-9]{1,253}\Z")]
UserId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
GroupId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """A group of fields of which no other is accepted."""


def demand(what: bool, sentence: str) -> None:
    if not what:
        raise ValueError(sentence)


class SeccompProfile(Part, frozen=True):
    type: Literal["RuntimeDefault", "Localhost"] = "RuntimeDefault"
    localhost_profile: str | UnsetType = UNSET


class AppArmorProfile(Part, frozen=True):
    type: Literal["RuntimeDefault"] = "RuntimeDefault"


class Capabilities(Part, frozen=True):
    drop: tuple[Literal["ALL"]] = ("ALL",)


class PodSecurity(Part, frozen=True):
    run_as_non_root: bool = True
    run_as_user: UserId | UnsetType = UNSET
    run_as_group: GroupId | UnsetType = UNSET
    fs_group: GroupId | UnsetType = UNSET
    fs_group_change_policy: Literal["Always", "OnRootMismatch"] | UnsetType = UNSET
    supplemental_groups: tuple[GroupId, ...] | UnsetType = UNSET
    supplemental_groups_policy: Literal["Merge", "Strict"] | UnsetType = UNSET
    seccomp_profile: SeccompProfile = SeccompProfile()
    app_armor_profile: AppArmorProfile | UnsetType = UNSET

    def __post_init__(self) -> None:
        demand(self.run_as_non_root, "runAsNonRoot must be true: no pod of qs runs as root")


class ContainerSecurity(Part, frozen=True):
    allow_privilege_escalation: bool = False
    privileged: bool | UnsetType = UNSET
    read_only_root_filesystem: bool = True
    run_as_non_root: bool = True
    run_as_user: UserId | UnsetType = UNSET
    run_as_group: GroupId | UnsetType = UNSET
    capabilities: Capabilities = Capabilities()
    seccomp_profile: SeccompProfile = SeccompProfile()
    app_armor_profile: AppArmorProfile | UnsetType = UNSET
    proc_mount: Literal["Default"] | UnsetType = UNSET

    def __post_init__(self) -> None:
        demand(not self.allow_privilege_escalation, "allowPrivilegeEscalation must be false")
        demand(self.privileged is not True, "privileged must be false or left out")
        demand(self.run_as_non_root, "runAsNonRoot must be true: no pod of qs runs as root")


class KeySelector(Part, frozen=True):
    name: Name
    key: Key
    optional: bool | UnsetType = UNSET


class FieldSelector(Part, frozen=True):
    field_path: Annotated[str, Meta(max_length=256)]
    api_version: Literal["v1"] | UnsetType = UNSET


class EnvSource(Part, frozen=True):
    secret_key_ref: KeySelector | UnsetType = UNSET
    config_map_key_ref: KeySelector | UnsetType = UNSET
    field_ref: FieldSelector | UnsetType = UNSET


class EnvVar(Part, frozen=True):
    name: EnvName
    value: Annotated[str, Meta(max_length=131_072)] | UnsetType = UNSET
    value_from: EnvSource | UnsetType = UNSET


class NamedSource(Part, frozen=True):
    name: Name
    optional: bool | UnsetType = UNSET


class EnvFrom(Part, frozen=True):
    prefix: EnvName | UnsetType = UNSET
    config_map_ref: NamedSource | UnsetType = UNSET
    secret_ref: NamedSource | UnsetType = UNSET


class VolumeMount(Part, frozen=True):
    name: Name
    mount_path: Annotated[str, Meta(pattern=r"\A/[^:]{1,1000}\Z")]
    read_only: bool | UnsetType = UNSET
    sub_path: Annotated[str, Meta(pattern=r"\A[^/:][^:]{0,1000}\Z")] | UnsetType = UNSET

    def __post_init__(self) -> None:
        for path in (self.mount_path, "" if self.sub_path is UNSET else self.sub_path):
            demand(".." not in path.split("/"), "a path of a mount must not lead upwards with ..")
        place = [part for part in self.mount_path.split("/") if part not in ("", ".")]
        demand(bool(place) and place != ["etc"], "mountPath must not cover / or /etc")
        system = place[0] in ("proc", "sys", "dev") and place != ["dev", "shm"]
        demand(not system, "mountPath must not lie in /proc, /sys or /dev, but for /dev/shm")


class KeyToPath(Part, frozen=True):
    key: Key
    path: Annotated[str, Meta(pattern=r"\A[^/:][^:]{0,1000}\Z")]
    mode: Annotated[int, Meta(ge=0, le=0o777)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        demand(".." not in self.path.split("/"), "a path in a volume must not lead upwards with ..")


class EmptyDir(Part, frozen=True):
    medium: Literal["", "Memory"] | UnsetType = UNSET
    size_limit: str | UnsetType = UNSET


class ConfigMapVolume(Part, frozen=True):
    name: Name
    items: tuple[KeyToPath, ...] | UnsetType = UNSET
    default_mode: Annotated[int, Meta(ge=0, le=0o777)] | UnsetType = UNSET
    optional: bool | UnsetType = UNSET


class SecretVolume(Part, frozen=True):
    secret_name: Name
    items: tuple[KeyToPath, ...] | UnsetType = UNSET
    default_mode: Annotated[int, Meta(ge=0, le=0o777)] | UnsetType = UNSET
    optional: bool | UnsetType = UNSET


class Volume(Part, frozen=True):
    """``emptyDir``, ``configMap`` or ``secret``; whatever else a volume may be shows the pod something of its node."""

    name: Name
    empty_dir: EmptyDir | UnsetType = UNSET
    config_map: ConfigMapVolume | UnsetType = UNSET
    secret: SecretVolume | UnsetType = UNSET

    def __post_init__(self) -> None:
        given = [part for part in (self.empty_dir, self.config_map, self.secret) if part is not UNSET]
        demand(len(given) == 1, "a volume must be one of emptyDir, configMap and secret")


class Resources(Part, frozen=True):
    requests: dict[str, str] = msgspec.field(default_factory=dict)
    limits: dict[str, str] = msgspec.field(default_factory=dict)


class Container(Part, frozen=True):
    name: Name = "job"
    image: str | UnsetType = UNSET
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | UnsetType = UNSET
    command: tuple[str, ...] | UnsetType = UNSET
    args: tuple[str, ...] | UnsetType = UNSET
    working_dir: str | UnsetType = UNSET
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] | UnsetType = UNSET
    volume_mounts: tuple[VolumeMount, ...] | UnsetType = UNSET
    resources: Resources = msgspec.field(default_factory=Resources)
    security_context: ContainerSecurity = ContainerSecurity()
    termination_message_policy: Literal["File", "FallbackToLogsOnError"] | UnsetType = UNSET


class PodSpec(Part, frozen=True):
    containers: tuple[Container]
    volumes: tuple[Volume, ...] | UnsetType = UNSET
    restart_policy: Literal["Never"] = "Never"
    security_context: PodSecurity = PodSecurity()
    automount_service_account_token: bool = False
    enable_service_links: bool = False
    host_network: bool | UnsetType = UNSET
    host_pid: bool | UnsetType = msgspec.field(name="hostPID", default=UNSET)
    host_ipc: bool | UnsetType = msgspec.field(name="hostIPC", default=UNSET)
    host_users: bool | UnsetType = UNSET
    share_process_namespace: bool | UnsetType = UNSET
    service_account_name: Name | UnsetType = UNSET
    image_pull_secrets: tuple[NamedSource, ...] | UnsetType = UNSET
    termination_grace_period_seconds: Annotated[int, Meta(ge=0, le=3600)] | UnsetType = UNSET
    node_selector: dict[str, str] | UnsetType = UNSET
    tolerations: tuple[Free, ...] | UnsetType = UNSET
    affinity: Free | UnsetType = UNSET
    topology_spread_constraints: tuple[Free, ...] | UnsetType = UNSET
    priority_class_name: Name | UnsetType = UNSET
    preemption_policy: Literal["Never", "PreemptLowerPriority"] | UnsetType = UNSET
    runtime_class_name: Name | UnsetType = UNSET
    scheduler_name: Name | UnsetType = UNSET
    dns_policy: Literal["ClusterFirst", "Default", "None"] | UnsetType = UNSET
    dns_config: Free | UnsetType = UNSET

    def __post_init__(self) -> None:
        demand(
            not self.automount_service_account_token,
            "automountServiceAccountToken must be false: a job has no business with the cluster",
        )
        for given, name in (
            (self.host_network, "hostNetwork"),
            (self.host_pid, "hostPID"),
            (self.host_ipc, "hostIPC"),
            (self.share_process_namespace, "shareProcessNamespace"),
        ):
            demand(given is not True, f"{name} must be false or left out")
        demand(self.host_users is not True, "hostUsers must be false or left out")
