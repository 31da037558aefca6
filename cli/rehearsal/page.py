"""A report as one HTML file: no script, no font and no picture from elsewhere; light and dark; wide and narrow."""

import html
from collections.abc import Iterable, Sequence
from typing import Final

from cli.rehearsal.report import Replacement, Report, Stage
from cli.terminal import clock, counted

_STYLE: Final = """
:root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--dim:#59636e;--line:#d8dee4;--card:#f6f8fa;
--ok:#1a7f37;--recovered:#9a6700;--failed:#cf222e}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--dim:#9198a1;--line:#30363d;--card:#161b22;
--ok:#3fb950;--recovered:#d29922;--failed:#f85149}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 3rem;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0}h2{font-size:1.1rem;margin:2.25rem 0 .6rem}
p{margin:.25rem 0}.dim{color:var(--dim)}
.top{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;justify-content:space-between}
.verdict{margin:0;padding:.3rem .9rem;border:2px solid;border-radius:2rem;font-weight:600}
.ok{color:var(--ok)}.recovered{color:var(--recovered)}.failed{color:var(--failed)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.75rem;margin:1.25rem 0 0}
dl div{padding:.6rem .8rem;background:var(--card);border-radius:.5rem}
dt{color:var(--dim);font-size:.85rem}dd{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
ol,ul{list-style:none;margin:0;padding:0}
li{padding:.6rem .8rem;border:1px solid var(--line);border-top-width:0}
li:first-child{border-top-width:1px;border-radius:.5rem .5rem 0 0}li:last-child{border-radius:0 0 .5rem .5rem}
li:only-child{border-radius:.5rem}
.row{display:grid;grid-template-columns:8.5rem 1fr auto;gap:.1rem .75rem;align-items:baseline}
.time{font-variant-numeric:tabular-nums;color:var(--dim);font-size:.9rem;white-space:nowrap}
.track{height:.4rem;margin:.4rem 0;background:var(--card);border-radius:.2rem}
.bar{display:block;height:100%;min-width:3px;border-radius:.2rem;background:currentColor}
.pair{display:grid;grid-template-columns:8.5rem 1fr;gap:.1rem .75rem;margin:.2rem 0 0}
.notes{color:var(--dim);font-size:.9rem;margin:0}
details{margin:.1rem 0 0}summary{cursor:pointer;color:var(--dim);font-size:.9rem;width:max-content}
summary:focus-visible{outline:2px solid}
.bad{color:var(--failed);font-weight:600}
@media(max-width:34rem){body{padding:1rem .75rem 2rem}.row{grid-template-columns:1fr auto}.row .time{grid-column:1/-1}
.pair{grid-template-columns:1fr}.pair .dim{font-size:.85rem}}
@media print{details>*{display:block}}
""".replace("\n", "")
_OPEN_NOTES: Final = 3
"""More notes than these are folded away."""


def page(report: Report) -> str:
    """The whole document."""
    title = f"Rehearsal of {report.environment}"
    verdict = "passed" if report.passed else f"not passed: {counted(len(report.findings), 'finding')}"
    upgrade = f", upgrade from {report.revision}" if report.revision else ""
    where = f"simulated: no cloud, no GPU, no bill. {report.place}{upgrade}. {report.began}"
    parts = [
        f'<div class="top"><h1>{_text(title)}</h1>',
        f'<p class="verdict {"ok" if report.passed else "failed"}">{_text(verdict)}</p></div>',
        f'<p class="dim">{_text(where)}</p>',
        _facts(report),
        *_section("Found", [_finding(item.reason, item.what, item.stage) for item in report.findings]),
        *_section("Replaced", [_replacement(item) for item in _worst_first(report)]),
        *_section(
            "What went wrong, and how it recovered", [_trouble(item) for item in report.stages if item.went_wrong]
        ),
        "<h2>Timeline</h2><ol>",
        *(_stage(stage, report.seconds) for stage in report.stages),
        "</ol>",
        *_section(
            "Passed over", [f"<li><strong>{_text(k)}</strong>: {_text(v)}</li>" for k, v in report.skipped.items()]
        ),
        *_section("Different in the copy", [f"<li>{_text(item)}</li>" for item in report.changed_in_copy]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _facts(report: Report) -> str:
    results = [stage.result for stage in report.stages]
    with_data = sum(item.stateful for item in report.replacements)
    facts = {
        "took (min:s)": clock(report.seconds),
        "stages": str(len(results)),
        "recovered": str(results.count("recovered")),
        "failed": str(results.count("failed")),
        "replaced": f"{len(report.replacements)}" + (f", {with_data} with data" if with_data else ""),
    }
    return f"<dl>{''.join(f'<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>' for k, v in facts.items())}</dl>"


def _section(title: str, items: Sequence[str]) -> Iterable[str]:
    return [f"<h2>{title}</h2><ul>", *items, "</ul>"] if items else []


def _finding(reason: str, what: str, stage: str) -> str:
    return f'<li><span class="bad">{_text(reason)}</span> {_text(what)} <span class="dim">in {_text(stage)}</span></li>'


def _replacement(item: Replacement) -> str:
    label = _text(item.label + item.reason)
    marked = f'<span class="bad">holds data: {label}</span>' if item.stateful else label
    return f'<li>{marked} <span class="dim">in {_text(item.stage)}</span></li>'


def _worst_first(report: Report) -> list[Replacement]:
    return sorted(report.replacements, key=lambda item: not item.stateful)


def _trouble(stage: Stage) -> str:
    recovery = stage.recovery or ["it did not"]
    return (
        f'<li><div class="row"><span class="time">{clock(stage.began_seconds)}</span>'
        f'<strong>{_text(stage.title)}</strong><span class="{stage.result}">{stage.result}</span></div>'
        + _pair("went wrong", stage.went_wrong, "")
        + _pair("recovery", recovery, "" if stage.recovery else "failed")
        + "</li>"
    )


def _pair(label: str, texts: Sequence[str], style: str) -> str:
    lines = "<br>".join(_text(text) for text in texts)
    return f'<div class="pair"><span class="dim">{label}</span><span class="{style}">{lines}</span></div>'


def _stage(stage: Stage, whole: float) -> str:
    whole = max(whole, 0.1)
    start, width = 100 * stage.began_seconds / whole, 100 * stage.seconds / whole
    notes = "".join(f'<p class="notes">{_text(note)}</p>' for note in stage.notes)
    if len(stage.notes) > _OPEN_NOTES:
        notes = f"<details><summary>{counted(len(stage.notes), 'note')}</summary>{notes}</details>"
    return (
        f'<li><div class="row"><span class="time">{clock(stage.began_seconds)} + {clock(stage.seconds)}</span>'
        f'<strong>{_text(stage.title)}</strong><span class="{stage.result}">{stage.result}</span></div>'
        f'<div class="track {stage.result}"><span class="bar" style="margin-left:{min(start, 99):.2f}%;'
        f'width:{max(0.0, min(width, 100 - start)):.2f}%"></span></div>{notes}</li>'
    )


def _text(value: str) -> str:
    return html.escape(str(value))
