"""Names that a component gives and others refer to, free of any SDK."""

PULL_SECRET = "slipway-registry"  # noqa: S105 -- the name of a Secret object, not a secret
"""The pull secret of every team's namespace, when the registry needs credentials."""

STORAGE_NAMESPACE_PREFIX = "slipway-storage-"
"""Namespaces of the platform's own that hold the roots of file systems; no team's begins like this."""
