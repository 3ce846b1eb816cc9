"""A Job template that uses all it may, and what an attacker or a mistake would make of it."""

from typing import Any

RICH = """
apiVersion: batch/v1
kind: Job
metadata:
  name: whatever
  labels: {team: reports}
  annotations: {example.com/owner: reports, qs.allow-command: "false"}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 600
  activeDeadlineSeconds: 7200
  template:
    metadata:
      labels: {team: reports}
      annotations: {sidecar.istio.io/inject: "false"}
    spec:
      restartPolicy: Never
      serviceAccountName: reports
      automountServiceAccountToken: false
      imagePullSecrets: [{name: registry}]
      nodeSelector: {pool: batch}
      tolerations: [{key: batch, operator: Exists, effect: NoSchedule}]
      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
        {matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}}
      priorityClassName: batch
      terminationGracePeriodSeconds: 5
      securityContext: {runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001}
      containers:
        - name: main
          imagePullPolicy: IfNotPresent
          command: [/app/report]
          workingDir: /work
          env:
            - {name: DB_HOST, value: db}
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
            - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
          envFrom: [{configMapRef: {name: report}}, {secretRef: {name: report}, prefix: R_}]
          resources: {requests: {cpu: 100m}, limits: {cpu: "1", memory: 512Mi, ephemeral-storage: 1Gi}}
          volumeMounts:
            - {name: work, mountPath: /work}
            - {name: shm, mountPath: /dev/shm}
            - {name: config, mountPath: /etc/report, readOnly: true}
            - {name: keys, mountPath: /keys, subPath: a/b, readOnly: true}
      volumes:
        - {name: work, emptyDir: {sizeLimit: 1Gi}}
        - {name: shm, emptyDir: {medium: Memory}}
        - {name: config, configMap: {name: report, items: [{key: a, path: a.yaml}]}}
        - {name: keys, secret: {secretName: keys, defaultMode: 256}}
"""

POD = "spec/template/spec"
BOX = f"{POD}/containers/0"
HOSTILE: list[tuple[str, Any]] = [
    ("kind", "CronJob"),
    ("apiVersion", "batch/v1beta1"),
    ("status", {}),
    ("metadata/namespace", "kube-system"),
    ("metadata/ownerReferences", []),
    ("metadata/finalizers", ["x/y"]),
    ("metadata/labels/qs.execution-id", "x"),
    ("metadata/annotations/qs.outcome", "failed"),
    ("metadata/annotations/qs.allow-command", "yes"),
    ("spec/backoffLimit", 6),
    ("spec/parallelism", 5),
    ("spec/completions", 5),
    ("spec/suspend", True),
    ("spec/manualSelector", True),
    ("spec/podFailurePolicy", {}),
    ("spec/podReplacementPolicy", "TerminatingOrFailed"),
    ("spec/ttlSecondsAfterFinished", 0),
    ("spec/activeDeadlineSeconds", 0),
    (f"{POD}/hostNetwork", True),
    (f"{POD}/hostPID", True),
    (f"{POD}/hostIPC", True),
    (f"{POD}/hostUsers", True),
    (f"{POD}/shareProcessNamespace", True),
    (f"{POD}/automountServiceAccountToken", True),
    (f"{POD}/restartPolicy", "OnFailure"),
    (f"{POD}/nodeName", "control-plane"),
    (f"{POD}/hostAliases", [{"ip": "10.0.0.1", "hostnames": ["db"]}]),
    (f"{POD}/initContainers", [{"name": "x", "image": "evil"}]),
    (f"{POD}/ephemeralContainers", []),
    (f"{POD}/resourceClaims", []),
    (f"{POD}/containers", []),
    (f"{POD}/containers", [{"name": "a"}, {"name": "b"}]),
    (f"{POD}/securityContext/runAsNonRoot", False),
    (f"{POD}/securityContext/runAsUser", 0),
    (f"{POD}/securityContext/sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    (f"{POD}/securityContext/seLinuxOptions", {"type": "spc_t"}),
    (f"{POD}/securityContext/windowsOptions", {"hostProcess": True}),
    (f"{POD}/securityContext/seccompProfile", {"type": "Unconfined"}),
    (f"{POD}/securityContext/appArmorProfile", {"type": "Unconfined"}),
    (f"{POD}/securityContext", None),
    (f"{POD}/volumes/0", {"name": "work", "hostPath": {"path": "/"}}),
    (
        f"{POD}/volumes/0",
        {"name": "work", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ),
    (f"{POD}/volumes/0", {"name": "work", "persistentVolumeClaim": {"claimName": "data"}}),
    (f"{POD}/volumes/0", {"name": "work", "nfs": {"server": "x", "path": "/"}}),
    (f"{POD}/volumes/0", {"name": "work", "csi": {"driver": "x"}}),
    (f"{POD}/volumes/0", {"name": "work", "downwardAPI": {}}),
    (f"{POD}/volumes/0", {"name": "work", "image": {"reference": "x"}}),
    (f"{POD}/volumes/0", {"name": "work", "emptyDir": {}, "hostPath": {"path": "/"}}),
    (f"{POD}/volumes/0", {"name": "work"}),
    (f"{POD}/volumes/2/configMap/items/0/path", "../../etc/passwd"),
    (f"{BOX}/image", "evil"),
    (f"{BOX}/ports", [{"containerPort": 80, "hostPort": 80}]),
    (f"{BOX}/lifecycle", {"postStart": {"exec": {"command": ["x"]}}}),
    (f"{BOX}/livenessProbe", {"httpGet": {"host": "169.254.169.254", "port": 80}}),
    (f"{BOX}/volumeDevices", [{"name": "work", "devicePath": "/dev/sda"}]),
    (f"{BOX}/restartPolicy", "Always"),
    (f"{BOX}/stdin", True),
    (f"{BOX}/env/0/name", "QS_PAYLOAD"),
    (f"{BOX}/env/0/name", "TRACEPARENT"),
    (f"{BOX}/env/1/valueFrom/fileKeyRef", {}),
    (f"{BOX}/resources/limits/cpu", "3"),
    (f"{BOX}/resources/limits/memory", "1Ti"),
    (f"{BOX}/resources/requests/memory", "400m"),
    (f"{BOX}/resources/claims", []),
    (f"{BOX}/securityContext/privileged", True),
    (f"{BOX}/securityContext/allowPrivilegeEscalation", True),
    (f"{BOX}/securityContext/runAsNonRoot", False),
    (f"{BOX}/securityContext/runAsUser", 0),
    (f"{BOX}/securityContext/procMount", "Unmasked"),
    (f"{BOX}/securityContext/seccompProfile/type", "Unconfined"),
    (f"{BOX}/securityContext/capabilities", {"drop": []}),
    (f"{BOX}/securityContext/capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    (f"{BOX}/securityContext/capabilities", {"drop": ["NET_RAW"]}),
    (f"{BOX}/securityContext", None),
    (f"{BOX}/volumeMounts/0/mountPath", "/proc"),
    (f"{BOX}/volumeMounts/0/mountPath", "//proc/./self"),
    (f"{BOX}/volumeMounts/0/mountPath", "/data/../sys"),
    (f"{BOX}/volumeMounts/0/mountPath", "/"),
    (f"{BOX}/volumeMounts/0/mountPath", "/etc"),
    (f"{BOX}/volumeMounts/0/mountPath", "/dev/kmsg"),
    (f"{BOX}/volumeMounts/0/mountPropagation", "Bidirectional"),
    (f"{BOX}/volumeMounts/0/subPath", "../x"),
    (f"{BOX}/volumeMounts/0/subPath", "/x"),
    (f"{BOX}/volumeMounts/0/subPathExpr", "$(HOME)"),
    (f"{BOX}/volumeMounts/0/name", "nowhere"),
]
