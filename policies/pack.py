"""The rules as one policy pack: what the engine asks, in the words of the rules. No gRPC server in here.

The SDK's ``PolicyPack`` is not used: it hands the clear text of secrets to rules, and decodes a resource anew for every
rule, which takes longer than all rules together.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from pulumi.runtime.proto import analyzer_pb2 as rpc
from pydantic import TypeAdapter, ValidationError

from components.tags import stack_tags
from policies.configured import Configuration, configured
from policies.cost.budgets import Spending
from policies.cost.pricing import blocks_of
from policies.evaluate import Evaluation, Finding, Levels, evaluate, judge, matches, remedy
from policies.graph import Json, Resource, ResourceGraph
from policies.pack_cost import CostOfUpdate
from policies.rule import Context, Rule, Severity
from policies.sources import engine
from policies.wire import UnwritableError, rewritten
from stacks.governance import Budget, Policies, PolicyLevel, Usage
from stacks.problems import NAMESPACE
from stacks.sections import Pool

NAME: Final = "slipway"
OPEN: Final = "slipway-decided-at-update"
SUPPRESSIONS: Final = "slipway-suppressions"
FAULTS: Final = "slipway-rule-faults"
COST: Final = "slipway-cost-of-update"
_OWN: Final = {
    OPEN: ("Rules that are decided at update, because a preview does not know a value", rpc.ADVISORY),
    SUPPRESSIONS: ("Suppressions hold until a day, and match something", rpc.MANDATORY),
    FAULTS: ("No rule breaks", rpc.MANDATORY),
    COST: ("What the update costs", rpc.ADVISORY),
}
"""Policies that are about the check itself."""
_LEVELS: Final = {
    PolicyLevel.ADVISORY: rpc.ADVISORY,
    PolicyLevel.MANDATORY: rpc.MANDATORY,
    PolicyLevel.REMEDIATE: rpc.REMEDIATE,
    PolicyLevel.DISABLED: rpc.DISABLED,
}
_FROM_ENGINE: Final = {number: level for level, number in _LEVELS.items()}
_SEVERITIES: Final = {
    Severity.LOW: rpc.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: rpc.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: rpc.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: rpc.POLICY_SEVERITY_CRITICAL,
}
_SHOWN: Final = 12
"""Rules that the line of undecided ones names."""
DOCUMENTATION: Final = "docs/reference/policies.md"
"""Relative to the repository: a fork has an address of its own."""


class Pack:
    """One run of the rules inside an engine; it remembers the inputs that it saw, for the end.

    Args:
        rules: what is checked.
        version: shown beside the pack's name.
        today: the current day, when it is asked for.
        cost: tells what the update costs; None: nobody does.
    """

    def __init__(
        self, rules: Iterable[Rule], *, version: str, today: Callable[[], date], cost: CostOfUpdate | None = None
    ) -> None:
        self._rules = tuple(rules)
        self._version = version
        self._today = today
        self._cost = cost
        self._how = _configuration({}, self._rules, stack="", project="")
        self._levels: dict[str, PolicyLevel] = {}
        self._inputs: dict[str, Mapping[str, Json]] = {}
        self._preview = False

    # --- what the engine says first ------------------------------------------------------------------------------

    def configure_stack(self, request: Any) -> None:
        """Take levels, limits and suppressions from the stack's own settings.

        Raises:
            SettingsError: they name rules that there are not.
            ValueError: the section of the settings cannot be read.
        """
        self._how = _configuration(request.config, self._rules, stack=request.stack, project=request.project)
        self._preview = request.dry_run
        self._inputs.clear()
        if self._cost is not None:
            self._cost.begin(stack=request.stack, project=request.project, organization=request.organization)

    def configure(self, request: Any) -> None:
        """Take the levels of ``--policy-pack-config``; the engine repeats ours for rules that it does not name."""
        self._levels = {name: _FROM_ENGINE[item.enforcementLevel] for name, item in request.policyConfig.items()}

    def info(self) -> Any:
        """Name, level, severity, framework and fix of every rule."""
        own = [
            rpc.PolicyInfo(
                name=name, displayName=text, description=text, enforcementLevel=level, policy_type=_STACK_WIDE
            )
            for name, (text, level) in _OWN.items()
        ]
        return rpc.AnalyzerInfo(
            name=NAME,
            displayName="Slipway",
            version=self._version,
            supportsConfig=True,
            policies=[*(self._policy(rule) for rule in self._rules), *own],
        )

    def _policy(self, rule: Rule) -> Any:
        first = rule.references[0] if rule.references else None
        framework = (
            rpc.PolicyComplianceFramework(name=first.framework, version=first.version, reference=first.requirement)
            if first
            else None
        )
        return rpc.PolicyInfo(
            name=rule.id,
            displayName=rule.title,
            description=rule.title,
            enforcementLevel=_LEVELS[self._how.levels.of(rule)],
            policy_type=_STACK_WIDE if rule.whole_stack else rpc.POLICY_TYPE_RESOURCE,
            severity=_SEVERITIES[rule.severity],
            framework=framework,
            tags=[rule.family.value],
            remediation_steps=rule.fix,
            url=f"{DOCUMENTATION}#{rule.id}",
        )

    # --- one resource, before it is made -------------------------------------------------------------------------

    def remediate(self, request: Any) -> Any:
        """Put inputs right, for rules of that level which know how.

        Rules of whole stacks too, by what they say of the resource and its provider: at the end it would be too late.
        """
        response = rpc.RemediateResponse()
        graph = engine.alone(request, preview=self._preview)
        context = Context(graph=graph, limits=self._how.limits, today=self._today())
        resource, struct = graph.resources[0], request.properties
        for rule in self._rules:
            if resource.type not in rule.types or self._level(rule) is not PolicyLevel.REMEDIATE:
                continue
            if self._excused(rule, resource) or not _is_broken(rule, resource, context):
                continue
            inputs = remedy(rule, resource, context)
            if inputs is None:
                continue
            try:
                struct = rewritten(struct, inputs)
            except UnwritableError:
                continue
            resource = engine.with_inputs(resource, struct)
            response.remediations.append(
                rpc.Remediation(
                    policyName=rule.id,
                    policyPackName=NAME,
                    policyPackVersion=self._version,
                    description=rule.title,
                    properties=struct,
                )
            )
        return response

    def analyze(self, request: Any) -> Any:
        """Hold the rules that look at one resource alone against its inputs."""
        graph = engine.alone(request, preview=self._preview)
        resource = graph.resources[0]
        self._inputs[resource.urn] = resource.properties
        context = Context(graph=graph, limits=self._how.limits, today=self._today())
        response = rpc.AnalyzeResponse()
        for rule in self._rules:
            level = self._level(rule)
            if rule.whole_stack or resource.type not in rule.types or level is PolicyLevel.DISABLED:
                continue
            if self._excused(rule, resource):
                continue
            response.diagnostics.extend(
                self._told(item) for item in judge(rule, resource, context, level) if isinstance(item, Finding)
            )
        return response

    # --- the whole stack, at the end -----------------------------------------------------------------------------

    def analyze_stack(self, request: Any) -> Any:
        """Hold all rules against all resources; report those of whole stacks, and what is about the check itself."""
        graph = engine.whole(request.resources, self._inputs, preview=self._preview)
        result = evaluate(
            graph,
            self._rules,
            limits=self._how.limits,
            levels=Levels(named={rule.id: self._level(rule) for rule in self._rules}),
            suppressions=self._how.suppressions,
            today=self._today(),
        )
        response = rpc.AnalyzeResponse()
        response.diagnostics.extend(self._told(item) for item in result.violations if item.rule.whole_stack)
        response.diagnostics.extend(self._about_the_check(result))
        response.diagnostics.extend(self._about_money(graph))
        return response

    def _about_money(self, graph: ResourceGraph) -> Iterable[Any]:
        if self._cost is not None:
            yield self._own(COST, self._cost.sentence(graph, self._how.limits.spending))

    def _about_the_check(self, result: Evaluation) -> Iterable[Any]:
        if result.undecided:
            counts: dict[str, int] = {}
            for open_ in result.undecided:
                counts[open_.rule.id] = counts.get(open_.rule.id, 0) + 1
            named = [f"{name} ({count})" for name, count in list(counts.items())[:_SHOWN]]
            more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
            yield self._own(OPEN, f"{len(counts)} rules are decided at update: {', '.join(named)}{more}")
        for item in result.expired:
            yield self._own(SUPPRESSIONS, f"{item.rule} on {item.resource}: ended on {item.expires} ({item.owner})")
        for item in result.unused:
            text = f"{item.rule} on {item.resource}: matches nothing, remove it"
            yield self._own(SUPPRESSIONS, text, level=rpc.ADVISORY)
        for fault in result.faults:
            yield self._own(FAULTS, f"{fault.rule.id} broke on {fault.resource.name}: {fault.error}")

    def _own(self, name: str, text: str, *, level: Any = None) -> Any:
        title, usual = _OWN[name]
        return rpc.AnalyzeDiagnostic(
            policyName=name,
            policyPackName=NAME,
            policyPackVersion=self._version,
            description=title,
            message=text,
            enforcementLevel=usual if level is None else level,
        )

    def _told(self, item: Finding) -> Any:
        # Whatever a remediation could put right has been by now, so what is left is refused.
        level = rpc.ADVISORY if item.level is PolicyLevel.ADVISORY else rpc.MANDATORY
        return rpc.AnalyzeDiagnostic(
            policyName=item.rule.id,
            policyPackName=NAME,
            policyPackVersion=self._version,
            description=item.rule.title,
            message=f"{item.rule.title}\n{item.violation.message}\ndo: {item.rule.fix}",
            enforcementLevel=level,
            urn=item.resource.urn,
            severity=_SEVERITIES[item.rule.severity],
        )

    def _level(self, rule: Rule) -> PolicyLevel:
        return self._levels.get(rule.id) or self._how.levels.of(rule)

    def _excused(self, rule: Rule, resource: Resource) -> bool:
        today = self._today()
        return any(
            item.rule == rule.id and item.last_day >= today and matches(item, resource)
            for item in self._how.suppressions
        )


_STACK_WIDE: Final = rpc.POLICY_TYPE_STACK


def _is_broken(rule: Rule, resource: Resource, context: Context) -> bool:
    return any(isinstance(item, Finding) for item in judge(rule, resource, context, PolicyLevel.REMEDIATE))


def _configuration(config: Mapping[str, str], rules: tuple[Rule, ...], *, stack: str, project: str) -> Configuration:
    """From the stack's configuration as the engine hands it over: texts, in which sections are JSON."""
    given = {key.partition(":")[2]: value for key, value in config.items() if key.startswith(f"{NAMESPACE}:")}
    source = f"Pulumi.{stack}.yaml"
    try:
        policies = Policies.model_validate(json.loads(given.get("policies", "{}")))
        extra = json.loads(given.get("tags", "{}"))
        spending = _spending(given)
        tags = (
            stack_tags(
                project=project,
                stack=stack,
                environment=given["environment"],
                owner=given["owner"],
                cost_center=given["costCenter"],
                ttl=given.get("ttl"),
                extra=extra,
            )
            if {"environment", "owner", "costCenter"} <= given.keys()
            else {}
        )
    except (ValidationError, ValueError) as error:
        # The program itself tells every fault of the settings, one by one and in full.
        raise ValueError(f"{source}: {NAMESPACE}:policies cannot be used; `slipway plan` says why") from error
    protect = given.get("protect", "true") != "false"
    return configured(policies, rules, protect=protect, tags=tags, source=source, spending=spending)


def _spending(given: Mapping[str, str]) -> Spending:
    """Budget, usage and capacity blocks.

    Raises:
        ValidationError: a section is not what the settings allow.
        ValueError: a section is no JSON.
    """
    pools = TypeAdapter(tuple[Pool, ...]).validate_python(json.loads(given.get("pools", "[]")))
    return Spending(
        budget=Budget.model_validate(json.loads(given["budget"])) if "budget" in given else None,
        usage=Usage.model_validate(json.loads(given.get("usage", "{}"))),
        blocks=blocks_of(pools),
    )
