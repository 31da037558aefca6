"""From what a person says on the command line to a run's spec: a recipe or a file, a team, a pool."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from cli.errors import UserError
from cli.exits import Exit
from components import accelerators
from components.kubernetes.names import PULL_SECRET
from components.outputs import FabricProfile
from stacks.problems import Problem, SettingsError, near, shown
from stacks.rules import RULES
from stacks.runs import SECONDS_PER_HOUR, place_of, pool_of, pulled, training_spec
from stacks.sections import Pool, Team
from stacks.settings import Settings, validate
from stacks.sources import Raw, read_file
from stacks.training import Training
from workloads.recipes import RECIPES, Target
from workloads.specs import ClaimMount, NodeShare, Runner, TrainingSpec
from workloads.validation import problems

MOUNT_PATH = "/shared"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the person said; None or empty where nothing was said."""

    recipe: str | None = None
    file: Path | None = None
    team: str | None = None
    pool: str | None = None
    storage: str | None = None
    name: str | None = None
    image: str | None = None
    queue: str | None = None
    priority: str | None = None
    options: Mapping[str, Any] | None = None
    """Arguments of the recipe (steps, nodes, size, base)."""


def wanted_spec(wishes: Wishes, settings: Settings, file: Path) -> TrainingSpec:
    """The spec, found good for its place.

    Args:
        wishes: What was said.
        settings: Of the environment.
        file: The environment's settings file: a run in a file of its own is held against it.

    Raises:
        UserError: the wishes contradict each other, or name what does not exist.
        SettingsError: everything that is wrong with the run.
    """
    if (wishes.recipe is None) == (wishes.file is None):
        raise UserError(
            "say what is to run: one recipe or one file",
            allowed=f"--recipe {'|'.join(RECIPES)}, or --file RUN.yaml",
            fix="slipway train submit --recipe debug",
            status=Exit.USAGE,
        )
    if wishes.file is not None:
        return _from_file(wishes, file)
    team, pool = _team(wishes, settings), _pool(wishes, settings)
    spec = _from_recipe(wishes, settings, team, pool)
    found = [
        Problem(
            path=".".join(("run", *map(str, item.path))),
            value=shown(item.value),
            rule=item.rule,
            what=item.what,
            allowed=item.allowed,
            fix=item.fix,
        )
        for item in problems(spec, place_of(settings, pool, team))
    ]
    found += _beside_the_stack(spec, settings)
    if found:
        raise SettingsError(found, source=f"recipe {wishes.recipe}")
    return spec


def _beside_the_stack(spec: TrainingSpec, settings: Settings) -> list[Problem]:
    """What rules between sections say of a run (its queue, its priority, its share), as if it were in the settings.

    Without the rule ``training``, which is `problems` of the spec itself.
    """
    run = Training.model_construct(
        name=spec.name,
        team=spec.namespace,
        pool=spec.pool,
        nodes=spec.nodes,
        runner="trainer" if spec.runner is Runner.TRAINER else "job",
        image=spec.image,
        script=spec.script,
        storage=spec.mount.claim if spec.mount else None,
        max_hours=-(-spec.time_limit_seconds // SECONDS_PER_HOUR),
        queue=spec.queue,
        priority=spec.priority_class,
    )
    beside = settings.model_copy(update={"training": (*settings.training, run)})
    rules = [rule for rule in RULES if "training" in rule.needs and rule.id != "training"]
    return _of_run(len(settings.training), [found for rule in rules for found in rule.check(beside)])


def _of_run(number: int, found: Iterable[Problem]) -> list[Problem]:
    """Those problems that are the run's at this place of the settings, told at ``run``."""
    prefix = f"slipway:training[{number}]"
    return [replace(item, path=f"run{item.path.removeprefix(prefix)}") for item in found if prefix in item.path]


def _from_recipe(wishes: Wishes, settings: Settings, team: Team, pool: Pool) -> TrainingSpec:
    known = RECIPES.get(wishes.recipe or "")
    if known is None:
        raise _unknown("recipe", wishes.recipe or "", list(RECIPES))
    instance = accelerators.instance(pool.instance_type)
    storage = wishes.storage or (team.storage[0] if team.storage else None)
    target = Target(
        namespace=team.name,
        pool=pool.name,
        node=NodeShare(
            accelerators=instance.devices,
            accelerators_of_node=instance.devices,
            vcpus=instance.vcpus,
            memory_gib=instance.memory_gib,
        ),
        mount=ClaimMount(claim=storage, path=MOUNT_PATH) if storage else None,
        pull_secret=PULL_SECRET if settings.registry.credentials else None,
        queue=wishes.queue,
        priority_class=wishes.priority,
        runner=Runner.TRAINER if settings.training_operator is not None else Runner.JOB,
    )
    options = {key: value for key, value in (wishes.options or {}).items() if value is not None}
    if wishes.name is not None:
        options["name"] = wishes.name
    try:
        spec = known(target, **options)
    except TypeError as error:
        # Python's own words name the argument: "missing 1 required keyword-only argument: 'base'".
        raise UserError(
            f"the recipe {wishes.recipe} cannot be made so: {error}",
            value=", ".join(f"--{key} {value}" for key, value in options.items()),
            fix="`slipway train submit --help` says which recipe takes which option",
            status=Exit.USAGE,
        ) from None
    return replace(spec, image=pulled(wishes.image or spec.image, settings.registry))


def _from_file(wishes: Wishes, settings_file: Path) -> TrainingSpec:
    """A file with the keys of one entry of ``training``; options of the command line win over it."""
    path = wishes.file or Path()
    try:
        entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"the run cannot be read: {error}", where=str(path), fix="write a YAML file", status=Exit.USAGE
        ) from error
    if not isinstance(entry, dict):
        raise UserError(
            "the file holds no run",
            where=str(path),
            allowed="the keys of one entry of `training` in a settings file: name, team, pool, nodes, image, script, …",
            fix="see docs/how-to/submit-a-run.md",
            status=Exit.USAGE,
        )
    said = {
        "team": wishes.team,
        "pool": wishes.pool,
        "storage": wishes.storage,
        "name": wishes.name,
        "image": wishes.image,
        "queue": wishes.queue,
        "priority": wishes.priority,
    }
    entry |= {key: value for key, value in said.items() if value is not None}
    raw = read_file(settings_file)
    # Beside the stack's own runs, so that rules between sections see what they are used to.
    others = raw.values.get("training") or []
    values = {**raw.values, "training": [*others, entry]}
    try:
        checked = validate(
            Raw(source=str(path), values=values, encrypted=raw.encrypted), encrypted_values_are_clear=False
        )
    except SettingsError as error:
        raise SettingsError(_of_run(len(others), error.problems) or error.problems, source=str(path)) from None
    run = checked.training[-1]
    return training_spec(run, pool_of(run, checked.pools), checked.registry)


def profile_of(pool: str, exported: Mapping[str, Mapping[str, Any]]) -> FabricProfile:
    """The profile of a pool that is up, from the stack's exports.

    Raises:
        UserError: it is not up, or an older version of the kit made it.
    """
    if pool not in exported:
        raise UserError(
            "the pool is in the settings and not up",
            value=pool,
            allowed=", ".join(exported),
            fix="run `slipway up`, or choose another pool",
            status=Exit.NOT_READY,
        )
    try:
        return FabricProfile.from_json(exported[pool])
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(
            f"the stack was made by another version, which does not say what a pod must ask for: {error}",
            value=pool,
            fix="run `slipway up`, so that the exports match this checkout",
            status=Exit.NOT_READY,
        ) from error


def _team(wishes: Wishes, settings: Settings) -> Team:
    known = {team.name: team for team in settings.teams}
    name = wishes.team or (next(iter(known)) if len(known) == 1 else "")
    if name not in known:
        raise _unknown("team", name, list(known), option="--team")
    return known[name]


def _pool(wishes: Wishes, settings: Settings) -> Pool:
    known = {pool.name: pool for pool in settings.pools}
    name = wishes.pool or (next(iter(known)) if len(known) == 1 else "")
    if name not in known:
        raise _unknown("pool", name, list(known), option="--pool")
    return known[name]


def _unknown(kind: str, value: str, known: list[str], option: str = "") -> UserError:
    guess = near(value, known) if value else None
    return UserError(
        f"there is no {kind} of this name" if value else f"several {kind}s are possible: say which",
        where=option or f"--{kind}",
        value=value,
        allowed=", ".join(known) or f"none: the environment has no {kind}",
        fix=f"did you mean {guess}?" if guess else f"choose one of those with {option or f'--{kind}'}",
        status=Exit.USAGE,
    )
