"""The first release of this repository, to upgrade from: by its tag, else by the commit that the changelog names."""

import re
import subprocess
from pathlib import Path

TAG = "v0.1.0"
_LINK = re.compile(r"^\[0\.1\.0\]: \S*/([0-9a-f]{40})$", re.MULTILINE)
HOW_TO_FETCH = "this clone lacks the history: `git fetch --unshallow --tags` (or `fetch-depth: 0` in CI) brings it"


def recorded_commit(repository: Path) -> str:
    """The commit of the first release as CHANGELOG.md links it: clones may come without tags."""
    found = _LINK.findall((repository / "CHANGELOG.md").read_text())
    if len(found) != 1:
        message = f"CHANGELOG.md must link [0.1.0] to one commit, found {found}"
        raise AssertionError(message)
    return str(found[0])


def tagged_commit(repository: Path) -> str | None:
    """The commit that the tag means; None in a clone without it."""
    return _commit(repository, TAG)


def first_release(repository: Path) -> str | None:
    """A revision that git knows here; None when the clone lacks the history."""
    return tagged_commit(repository) or _commit(repository, recorded_commit(repository))


def _commit(repository: Path, revision: str) -> str | None:
    done = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
