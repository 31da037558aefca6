"""``slipway init``."""

from collections.abc import Mapping
from typing import Annotated, Final

import typer
from rich.prompt import Prompt
from rich.syntax import Syntax

from cli import terminal
from cli.errors import UserError, show_one
from cli.exits import Exit
from cli.init_document import problems, render
from cli.init_questions import QUESTIONS, Question, defaults
from cli.lazy import verb
from cli.offerings import told
from cli.project import project_directory, settings_file
from stacks.problems import Problem, SettingsError

Answer = str | None
_NOBODY: Final = "there is nobody to ask: standard input or output is no terminal"

_NEXT: Final = (
    ("plan", "what it makes, without an account"),
    ("rehearse", "its whole life on a simulated account, with faults"),
    ("up", "build it"),
)


def init(
    name: Annotated[str | None, typer.Argument(help="Environment; the file is stacks/config/Pulumi.NAME.yaml.")] = None,
    *,
    owner: Annotated[Answer, typer.Option(help="Team that owns it.")] = None,
    cost_center: Annotated[Answer, typer.Option(help="Cost centre.")] = None,
    ttl: Annotated[Answer, typer.Option(help="How long it may live (8h, 14d); none protects it instead.")] = None,
    account: Annotated[Answer, typer.Option(help="AWS account; twelve zeros are a simulated one.")] = None,
    region: Annotated[Answer, typer.Option(help="AWS region.")] = None,
    zones: Annotated[Answer, typer.Option(help="Zones, the one with the GPUs first.")] = None,
    cidr: Annotated[Answer, typer.Option(help="Addresses of the network.")] = None,
    deployer_role: Annotated[Answer, typer.Option(help="ARN of the role that deploys.")] = None,
    access: Annotated[Answer, typer.Option(help="public, tunnel or runner.")] = None,
    allow: Annotated[Answer, typer.Option(help="Blocks that may reach a public API server.")] = None,
    proxy_url: Annotated[Answer, typer.Option(help="Proxy into the network, for a tunnel.")] = None,
    state_url: Annotated[Answer, typer.Option(help="Pulumi backend.")] = None,
    secrets_provider: Annotated[Answer, typer.Option(help="What encrypts secrets.")] = None,
    charts: Annotated[Answer, typer.Option(help="Helm repository, or env:NAME.")] = None,
    gpu_type: Annotated[Answer, typer.Option(help="Instance type of the GPU nodes.")] = None,
    gpu_nodes: Annotated[Answer, typer.Option(help="How many of them.")] = None,
    fabric: Annotated[Answer, typer.Option(help="efa or none.")] = None,
    capacity: Annotated[Answer, typer.Option(help="onDemand, spot, reservation or capacityBlock.")] = None,
    reservation: Annotated[Answer, typer.Option(help="Id of the reservation or block (cr-…).")] = None,
    storage_gib: Annotated[Answer, typer.Option(help="GiB of Lustre, or none.")] = None,
    team: Annotated[Answer, typer.Option(help="First team.")] = None,
    queues: Annotated[
        Answer, typer.Option(help="Kueue and Kubeflow Trainer: BestEffortFIFO, StrictFIFO or none.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: defaults for what no option says.")] = False,
) -> None:
    """Ask about a new environment, and write its settings file. It creates nothing else and overwrites nothing.

    Every answer is checked at once by the settings' own rules; every answer is also an option, and is then not asked.
    Lists are written with commas; `none` stands for what the environment shall not have.

    \b
    Examples:
      slipway init
      slipway init team-a --account 111122223333 --region eu-west-1
      slipway init try --yes --gpu-type p5.48xlarge --gpu-nodes 4
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    options = {**locals(), "environment": name}
    keys = {question.key for question in QUESTIONS}
    given = {key: value for key, value in options.items() if key in keys and isinstance(value, str)}
    if not yes and not terminal.is_interactive():
        raise UserError(_NOBODY, fix="add --yes, and options for what is not to be a default", status=Exit.USAGE)
    if "environment" in given:
        _refuse_existing(given["environment"])
    answers = _checked(given) if yes else _ask(given)
    _write(answers)


def _checked(given: Mapping[str, str]) -> dict[str, str]:
    answers = defaults(given)
    _refuse_existing(answers["environment"])
    found = problems(answers["environment"], answers)
    if found:
        raise SettingsError(found, source=f"Pulumi.{answers['environment']}.yaml")
    return answers


def _ask(given: Mapping[str, str]) -> dict[str, str]:
    """Every answer, from options or from the person; a wrong one is told and asked for again."""
    told: dict[str, str] = {}
    for question in QUESTIONS:
        answer = given.get(question.key)
        while question.applies(defaults(told)):
            value = answer if answer is not None else _prompt(question, defaults(told)[question.key])
            wrong = _wrong(question, {**told, question.key: value})
            if not wrong:
                told[question.key] = value
                break
            for problem in wrong:
                show_one(UserError(_rule(problem), allowed=problem.allowed, fix=problem.fix), terminal.messages())
            answer = None
    return _checked({**given, **told})


def _prompt(question: Question, default: str) -> str:
    return Prompt.ask(question.text, default=default or None, console=terminal.messages()) or ""


def _wrong(question: Question, told: Mapping[str, str]) -> list[Problem]:
    """Problems of what this answer decides, and those that it makes elsewhere."""
    answers = defaults(told)
    without = defaults({key: value for key, value in told.items() if key != question.key})
    before = {(item.path, item.rule) for item in problems(without["environment"], without)}
    return [
        item
        for item in problems(answers["environment"], answers)
        if item.path.startswith(question.settles) or (item.path, item.rule) not in before
    ]


def _rule(problem: Problem) -> str:
    return f"{problem.what} [{problem.rule}]"


def _refuse_existing(name: str) -> None:
    file = settings_file(project_directory(), name)
    if file.exists():
        raise UserError(
            "this environment has a settings file already, and it is left as it is",
            where=str(file),
            value=name,
            fix="choose another name, or edit the file",
            status=Exit.USAGE,
        )


def _write(answers: Mapping[str, str]) -> None:
    name = answers["environment"]
    text = render(name, answers)
    file = settings_file(project_directory(), name)
    _refuse_existing(name)
    with file.open("x", encoding="utf-8") as target:
        target.write(text)
    out = terminal.output()
    out.print(Syntax(text, "yaml", background_color="default", word_wrap=False), soft_wrap=True)
    out.print(f"wrote {file}", soft_wrap=True)
    out.print(told(answers), soft_wrap=True)
    out.print("\nnext:")
    for command, meaning in _NEXT:
        out.print(f"  {f'slipway {command} {name}':<32} {meaning}", soft_wrap=True)


app = verb(init)
