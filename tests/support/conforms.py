"""Marks a conformance case: where the Kubernetes documentation says so, and what has to be in the cluster for it."""

from typing import Any

import pytest

DOCS = "https://kubernetes.io/docs/"


def conforms(source: str, *objects: dict[str, Any]) -> pytest.MarkDecorator:
    """``source`` is a page below kubernetes.io/docs (with an anchor), or a field of the API reference."""
    return pytest.mark.conforms(source=DOCS + source, objects=objects)
