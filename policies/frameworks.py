"""Published requirements that rules refer to; only numbers that were read in the documents themselves.

Read 2026-11-21 in stored copies: AWS Security Hub user guide ("Foundational Security Best Practices standard" and the
pages of controls), the table of contents of the CIS Amazon EKS Benchmark 1.6.0 (2024-12-23), and pages of the Machine
Learning Lens of the AWS Well-Architected Framework, in the edition that numbers its practices MLCOST-16.
"""

from policies.rule import Reference


def fsbp(control: str) -> Reference:
    """A control of the standard AWS Foundational Security Best Practices."""
    return Reference(framework="AWS Foundational Security Best Practices", version="1.0.0", requirement=control)


def security_hub(control: str) -> Reference:
    """A control of AWS Security Hub that belongs to other standards only."""
    return Reference(framework="AWS Security Hub controls", version="", requirement=control)


def cis_eks(number: str) -> Reference:
    """A recommendation of the CIS Amazon EKS Benchmark."""
    return Reference(framework="CIS Amazon EKS Benchmark", version="1.6.0", requirement=number)


def cis_aws(number: str) -> Reference:
    """A recommendation of the CIS AWS Foundations Benchmark."""
    return Reference(framework="CIS AWS Foundations Benchmark", version="5.0.0", requirement=number)


def ml_lens(practice: str) -> Reference:
    """A best practice of the Machine Learning Lens, for example MLCOST-16."""
    return Reference(framework="AWS Well-Architected Machine Learning Lens", version="", requirement=practice)
