"""Labels that a stack puts on the nodes of a pool."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from components import node_labels
from stacks.problems import refusal

LONGEST = 63
"""Of a key with its prefix, and of a value (EKS CreateNodegroup)."""


def _key(value: str) -> str:
    problem = node_labels.key_problem(value)
    if problem is None and len(value) <= LONGEST:
        return value
    raise refusal(
        "node-label",
        problem or f"the key has {len(value)} characters, and EKS takes {LONGEST}",
        allowed=f"a key of at most {LONGEST} characters such as team or example.com/rack; of Kubernetes' own names "
        f"only {' and '.join(f'{prefix}/…' for prefix in node_labels.KUBELET_PREFIXES)}",
        fix="choose another key, with a domain of your own in front",
    )


def _value(value: str) -> str:
    problem = node_labels.value_problem(value)
    if problem is not None:
        raise refusal(
            "node-label",
            problem,
            allowed=f"1 to {LONGEST} letters, digits, dots, underscores and hyphens",
            fix="replace the other characters; yes, no and numbers need quotes",
        )
    return value


NodeLabels: TypeAlias = Annotated[
    dict[Annotated[str, AfterValidator(_key)], Annotated[str, AfterValidator(_value)]], Field(max_length=50)
]
"""Label -> value."""
