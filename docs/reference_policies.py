"""Every policy rule, from the rules themselves."""

from itertools import groupby

from policies.rule import Rule
from policies.rules import RULES


def page() -> str:
    """One section for each rule, by family."""
    intro = (
        f"{len(RULES)} rules, each an importable object of `policies/rules/`. `slipway policy rules ID` says the same.",
        "High and critical severity stops an update unless the settings say otherwise. How to run, suppress and add",
        "rules: [Check policies](../how-to/check-policies.md), [Add a policy rule](../how-to/add-a-policy-rule.md).\n",
    )
    parts = ["# Policies\n", "\n".join(intro)]
    for family, rules in groupby(RULES, key=lambda rule: rule.family):
        found = list(rules)
        parts.append(f"## {family}\n")
        parts += ["| rule | severity | |", "|---|---|---|"]
        parts += [f"| [{rule.id}](#{rule.id}) | {rule.severity} | {_text(rule.title)} |" for rule in found]
        parts.append("")
        parts += [_section(rule) for rule in found]
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    whole = "; decided on the whole stack" if rule.whole_stack else ""
    remedy = "; the engine can put it right" if rule.remediate else ""
    facts = [
        f"**{_text(rule.title)}.** Severity {rule.severity}{whole}{remedy}.\n",
        f"{_text(rule.rationale)}\n",
        f"- Do: {_text(rule.fix)}",
        f"- Source: {_text(rule.source)}",
    ]
    facts += [f"- {item.framework} {item.version}: {_text(item.requirement)}" for item in rule.references]
    facts.append(f"- Looks at: {', '.join(f'`{token}`' for token in sorted(rule.types))}")
    return "\n".join([f"### {rule.id} {{#{rule.id}}}\n", *facts, ""])


def _text(given: str) -> str:
    """Prose of a rule in a Markdown page: what looks like HTML or a column is text."""
    return given.replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
