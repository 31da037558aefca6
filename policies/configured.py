"""How the rules hold for one stack: from its settings, with the names of rules checked against those that there are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policies.cost.budgets import Spending
from policies.evaluate import Levels
from policies.rule import Family, Limits, Rule
from stacks.governance import Policies, Suppression
from stacks.problems import Problem, SettingsError, near, yaml_path


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What ``evaluate`` needs besides graph, rules and day."""

    limits: Limits
    levels: Levels
    suppressions: tuple[Suppression, ...]


def configured(
    policies: Policies,
    rules: Iterable[Rule],
    *,
    protect: bool,
    tags: Mapping[str, str],
    source: str,
    spending: Spending | None = None,
) -> Configuration:
    """The settings in the words of the rules.

    Args:
        policies: the section of the settings.
        rules: those whose names the section may use.
        protect: whether the stack holds what must not be lost; rules for production hold there.
        tags: those of the whole stack, which remediations write.
        source: the settings file, for errors.
        spending: budget and usage; without them nothing is measured against a budget.

    Raises:
        SettingsError: a level or a suppression names a rule that does not exist.
    """
    ids = sorted(rule.id for rule in rules)
    problems = [*_unknown_levels(policies, ids), *_unknown_rules(policies, ids)]
    if problems:
        raise SettingsError(problems, source=source)
    given, known = policies.limits, Limits()
    limits = Limits(
        production=protect,
        required_tags=known.required_tags | set(given.required_tags),
        regions=frozenset(given.regions),
        instance_types=frozenset(given.instance_types),
        max_gpus=given.max_gpus,
        privileged_namespaces=known.privileged_namespaces | set(given.privileged_namespaces),
        tags=dict(tags),
        spending=spending or Spending(),
    )
    return Configuration(limits=limits, levels=Levels(named=policies.levels), suppressions=policies.suppressions)


def _unknown_levels(policies: Policies, ids: list[str]) -> Iterator[Problem]:
    names = [*Family, *ids]
    for name in policies.levels:
        if name not in names:
            yield _problem(
                ("policies", "levels", name), name, names, what="there is no rule and no family of this name"
            )


def _unknown_rules(policies: Policies, ids: list[str]) -> Iterator[Problem]:
    for position, item in enumerate(policies.suppressions):
        if item.rule not in ids:
            at = ("policies", "suppressions", position, "rule")
            yield _problem(at, item.rule, ids, what="there is no rule of this id, so nothing is suppressed")


def _problem(at: tuple[str | int, ...], name: str, names: list[str], *, what: str) -> Problem:
    guess = near(name, names)
    return Problem(
        path=yaml_path(at),
        value=name,
        rule="policy-unknown",
        what=what,
        allowed="the ids and families that `slipway policy rules` lists",
        fix=f"did you mean {guess}?" if guess else "look it up with `slipway policy rules`",
    )
