"""The Pulumi program: settings, platform, exports."""

import sys

import pulumi

from components.problems import RefusedArgumentsError
from stacks.build import build
from stacks.settings import SettingsError, load

ALREADY_REPORTED = 32
"""Exit code with which a program tells Pulumi's language host that its user has already been told (sdk/python/cmd)."""


def main() -> None:
    """Build the stack that Pulumi's configuration describes.

    Wrong settings and arguments are the user's to correct: they get the list, not a traceback through this program.
    """
    try:
        exports = build(load(pulumi.Config()))
    except (SettingsError, RefusedArgumentsError) as error:
        pulumi.log.error(str(error))
        sys.exit(ALREADY_REPORTED)
    for name, value in exports.items():
        pulumi.export(name, value)


if __name__ == "__main__":
    main()
