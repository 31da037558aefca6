"""Another revision's packages: the installed ones where those are the same, its own where not, one error where none."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from cli.errors import UserError
from cli.rehearsal.packages import FILES, Packages, packages_of
from tests.support.releases import TAG, recorded_commit, tagged_commit
from tests.support.sandbox import REPOSITORY

PROJECT = '[project]\nname = "older"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{dependencies}]\n'
SOURCE = '[tool.uv.sources]\ntiny-thing = {{ path = "{wheel}" }}\n'


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and no index."""
    monkeypatch.setenv("SLIPWAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")


def asked(files: dict[str, bytes], checkout: Path) -> Packages:
    return packages_of(files, revision="v0", checkout=checkout, console=Console(quiet=True))


def locked(directory: Path, project: str) -> dict[str, bytes]:
    """The two files of a project, with the lock that uv makes."""
    directory.mkdir(exist_ok=True)
    (directory / "pyproject.toml").write_text(project)
    subprocess.run(["uv", "lock", "--quiet", "--python", sys.executable], cwd=directory, check=True)
    return {name: (directory / name).read_bytes() for name in FILES}


def wheel(directory: Path) -> Path:
    """The smallest package that can be installed."""
    path = directory / "tiny_thing-1-py3-none-any.whl"
    info = "tiny_thing-1.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_thing.py", "VALUE = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"tiny_thing.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def test_the_same_lock_means_the_installed_packages() -> None:
    files = {name: (REPOSITORY / name).read_bytes() for name in FILES}
    found = asked(files, REPOSITORY)
    assert found.prefix == Path(sys.prefix)
    assert found.told == "packages: the installed ones, which v0 locks too (uv.lock)"


def test_a_revision_without_a_lock_runs_with_the_installed_packages_and_says_so(tmp_path: Path) -> None:
    assert asked({}, tmp_path).told == "packages: the installed ones, because v0 locks none (uv.lock)"


def test_another_lock_of_what_is_installed_needs_no_environment_of_its_own(tmp_path: Path) -> None:
    files = locked(tmp_path / "older", PROJECT.format(dependencies=""))
    found = asked(files, REPOSITORY)
    assert (found.prefix, found.told) == (
        Path(sys.prefix),
        "packages: the installed ones, which are those that v0 locks",
    )


def test_other_packages_are_installed_once_outside_the_checkout(tmp_path: Path) -> None:
    project = PROJECT.format(dependencies='"tiny-thing"') + SOURCE.format(wheel=wheel(tmp_path))
    files = locked(tmp_path / "older", project)
    found = asked(files, REPOSITORY)
    assert found.prefix.is_relative_to(tmp_path / "cache" / "revisions")
    assert found.told.startswith("packages: those that v0 locks")
    python = found.prefix / "bin" / "python"
    said = subprocess.run([python, "-c", "import tiny_thing; print(tiny_thing.VALUE)"], capture_output=True, check=True)
    assert said.stdout == b"42\n"
    assert asked(files, REPOSITORY) == found, "the second time it is there"


def test_packages_that_cannot_be_had_are_one_clear_error(tmp_path: Path) -> None:
    made = wheel(tmp_path)
    files = locked(tmp_path / "older", PROJECT.format(dependencies='"tiny-thing"') + SOURCE.format(wheel=made))
    made.unlink()
    with pytest.raises(UserError) as caught:
        asked(files, REPOSITORY)
    assert caught.value.what == "the packages that v0 locks cannot be had"
    assert "tiny" in caught.value.value
    assert "package index" in caught.value.fix


def test_the_changelog_names_the_commit_of_the_first_release() -> None:
    tagged = tagged_commit(REPOSITORY)
    if tagged is None:
        pytest.skip(f"this clone has no tag {TAG}")
    assert recorded_commit(REPOSITORY) == tagged
