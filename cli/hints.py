"""What to do about failures that have happened before."""

import re
from collections.abc import Iterable
from typing import Final

from cli.events import Diagnostic, short_type, urn_type

_KNOWN: Final = (
    (
        r"request send failed|connection reset by peer",
        "the answer was lost, and the object may exist: `slipway recover {stack}` looks for it",
    ),
    (r"the engine was killed", "`slipway recover {stack}` puts the stack right, then `slipway up {stack}` goes on"),
    (
        r"stack is currently locked",
        "another update holds the lock, or one was killed: `slipway recover {stack}` finds out",
    ),
    (r"pending operation|interrupted while", "an earlier update was killed: run `slipway recover {stack}`"),
    (
        r"incorrect passphrase|PULUMI_CONFIG_PASSPHRASE",
        "the state is encrypted with another passphrase: set the one it was made with",
    ),
    (
        r"is protected|marked.*protect",
        "it is protected: `slipway destroy {stack} --unprotect` takes the protection away first",
    ),
    (
        r"InsufficientInstanceCapacity",
        "the zone has no such machines now: try another zone, or a reservation (pools[].capacity)",
    ),
    (
        r"ServiceQuotaExceeded|LimitExceeded|QuotaExceeded",
        "ask for a higher quota, or lower the number in the settings",
    ),
    (
        r"(?:kserve|kueue|jobset|kubeflow-trainer)-\S+\.tgz\S*(?: : 503|.*503 Service Unavailable)",
        "the chart's manager is not in the toolchain of this machine: `slipway toolchain build`, then the same command",
    ),
    (
        r"longer than specified deadline|DeadlineExceeded",
        (
            "a Job's pods did not start: `kubectl describe pod` says what they wait for (for the directories of a file "
            "system: its CSI add-on, or the security groups between nodes and file servers)"
        ),
    ),
    (
        r"^PersistentVolumeClaim: timed out waiting for the condition",
        (
            "pods that name the claim hold it, be they ended ones: `kubectl get pods` shows them. Take the runs that "
            "own them away (out of `training`, or by `slipway train stop NAME --delete`), then the same command"
        ),
    ),
    (r"Throttl|RequestLimitExceeded", "the cloud asks for patience: run the same command again"),
    (r"no resource plugin|could not (load|find) plugin", "a provider plugin is missing: `slipway toolchain build`"),
    (
        r"connection refused|no route to host|i/o timeout",
        "the API server cannot be reached from here: check `access` in the settings",
    ),
    (
        r"is not authorized to perform|AccessDenied|UnauthorizedOperation",
        "the deployer role lacks a permission; the message names it",
    ),
)


def hint_for(diagnostics: Iterable[Diagnostic], *, stack: str) -> str | None:
    """The first known remedy for what was said."""
    said = "\n".join(f"{_kind(item)}: {item.message}" for item in diagnostics)
    return next((hint.format(stack=stack) for pattern, hint in _KNOWN if re.search(pattern, said, re.MULTILINE)), None)


def _kind(item: Diagnostic) -> str:
    """Of the resource that it is about: names could look like something that failed."""
    return short_type(urn_type(item.urn)) if item.urn else "stack"
