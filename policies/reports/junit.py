"""JUnit XML: one suite for each family, one test case for each rule."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from policies.evaluate import Evaluation
from policies.rule import Family, Rule, Severity


def text(result: Evaluation, *, fail_on: Severity | None = None) -> str:
    """The document. A rule fails by the threshold; one that was not decided, or that nothing is about, is skipped."""
    root = ET.Element("testsuites", name="slipway policy")
    for family in Family:
        rules = [rule for rule in result.rules if rule.family is family]
        if rules:
            _suite(root, family, rules, result, fail_on)
    _whole(root, result)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    root: ET.Element, family: Family, rules: Iterable[Rule], result: Evaluation, fail_on: Severity | None
) -> None:
    suite = ET.SubElement(root, "testsuite", name=f"{result.graph.stack} {family.value}")
    stopping = result.stopping(fail_on)
    for rule in rules:
        case = ET.SubElement(suite, "testcase", classname=f"policy.{family.value}", name=rule.id)
        broken = [f"{item.resource.name}: {item.violation.message}" for item in stopping if item.rule is rule]
        faults = [f"{item.resource.name}: {item.error}" for item in result.faults if item.rule is rule]
        open_ = [f"{item.resource.name}: {item.property}" for item in result.undecided if item.rule is rule]
        if broken:
            failure = ET.SubElement(case, "failure", message=_plain(rule.title), type=rule.severity.value)
            failure.text = _plain("\n".join([*broken, f"fix: {rule.fix}"]))
        elif faults:
            ET.SubElement(case, "error", message="the rule broke").text = _plain("\n".join(faults))
        elif open_:
            ET.SubElement(case, "skipped", message=_plain(f"decided at update: {'; '.join(open_)}"))
        elif not result.graph.of_type(*rule.types):
            ET.SubElement(case, "skipped", message="no resource of its types")
    _count(suite)


def _whole(root: ET.Element, result: Evaluation) -> None:
    """What belongs to no rule's resources: suppressions whose day is over."""
    if not result.expired:
        return
    suite = ET.SubElement(root, "testsuite", name=f"{result.graph.stack} suppressions")
    for item in result.expired:
        case = ET.SubElement(suite, "testcase", classname="policy.suppressions", name=f"{item.rule} {item.resource}")
        ET.SubElement(case, "failure", message=_plain(f"ended on {item.expires}")).text = _plain(
            f"{item.reason} ({item.owner})"
        )
    _count(suite)


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))


def _plain(given: str) -> str:
    """Text that XML 1.0 takes."""
    return "".join(
        letter for letter in given if letter in "\n\t" or (letter >= " " and not "\ufffe" <= letter <= "\uffff")
    )
