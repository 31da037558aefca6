"""A cost report as one HTML file: no script, no font, no picture from elsewhere; light and dark, wide and narrow."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from policies.cost.model import Component, Line
from policies.cost.reports import charts
from policies.cost.reports.charts import escape
from policies.cost.reports.document import Document, Section
from policies.cost.summary import by_cluster, by_pool, dates, money, signed, span, top

_TOP: Final = 10
_CHANGES: Final = 20
_STYLE: Final = f"""
:root{{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--dim:#59636e;--line:#d8dee4;--card:#f1f3f6;--accent:#2a6fdb;
--soft:#b9d2f7;--good:#1a7f37;--bad:#b42318;{charts.LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{--page:#0d1117;--ink:#e6edf3;--dim:#9198a1;--line:#30363d;--card:#161b22;
--accent:#5c9dff;--soft:#1f3a66;--good:#3fb950;--bad:#ff7b72;{charts.DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 3rem;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.5rem;margin:0}}h2{{font-size:1.15rem;margin:2.25rem 0 .25rem}}p{{margin:.25rem 0}}
.dim{{color:var(--dim);font-size:.9rem}}.number{{font-variant-numeric:tabular-nums;white-space:nowrap}}
.tiles{{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;margin:1.25rem 0}}
.tile{{background:var(--card);border-radius:.5rem;padding:.75rem 1rem}}
.tile strong{{display:block;font-size:1.5rem;line-height:1.3}}
.good{{color:var(--good)}}.bad{{color:var(--bad)}}
.note{{border-left:.25rem solid var(--bad);padding:.25rem .75rem;margin:1rem 0}}
.wide{{overflow-x:auto}}table{{border-collapse:collapse;width:100%;margin:.5rem 0}}
th,td{{text-align:left;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}}
th{{color:var(--dim);font-weight:500;font-size:.9rem}}th.amount,td.amount{{text-align:right}}td.amount{{white-space:nowrap}}
td.what{{color:var(--dim)}}
details{{margin:.5rem 0}}summary{{cursor:pointer}}
{charts.STYLE}
@media(max-width:40rem){{th.what,td.what{{display:none}}}}
""".replace("\n", "")


def page(document: Document) -> str:
    """The whole document."""
    title = f"What {document.environment} costs"
    body = "".join(
        [
            f"<h1>{escape(title)}</h1>",
            _origin(document),
            _tiles(document),
            *_gaps(document),
            *_change(document),
            f"<h2>By category</h2>{charts.stacked(list(document.estimate.by_category.items()))}",
            *_sides(document),
            _largest(document),
            *(_section(section) for section in document.sections if section.rows),
            *_what_if(document),
            *_upfront(document),
            *_assumptions(document),
            _prices(document),
            _everything(document),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _origin(document: Document) -> str:
    estimate = document.estimate
    told = [
        "<strong>Simulated account: nothing of this is billed.</strong>" if estimate.simulated else "",
        f"Made {escape(document.made)} from {escape(estimate.origin or 'a resource graph')}.",
        f"Regions: {escape(document.regions)}. List prices of {escape(dates(estimate))} in USD.",
        "Taxes and discounts are left out. A month has 730 hours.",
    ]
    return f'<p class="dim">{" ".join(part for part in told if part)}</p>'


def _tiles(document: Document) -> str:
    estimate = document.estimate
    tiles = [
        ("a month", money(estimate.total.expected), span(estimate.total)),
        ("an hour", money(estimate.total.hourly.expected), span(estimate.total.hourly)),
        ("GPUs, an hour", money(estimate.gpu_hourly), f"{estimate.gpu_hours.expected:,.0f} GPU-hours a month"),
    ]
    made = "".join(
        f'<div class="tile"><span class="dim">{label}</span><strong class="number">{amount}</strong>'
        f'<span class="dim">{detail}</span></div>'
        for label, amount, detail in tiles
    )
    if document.verdict:
        state = ("good", "within") if document.verdict.within else ("bad", "over")
        made += (
            f'<div class="tile"><span class="dim">budget</span><strong class="{state[0]}">{state[1]}</strong>'
            f'<span class="dim">{escape(document.verdict.text)}</span></div>'
        )
    return f'<div class="tiles">{made}</div>'


def _gaps(document: Document) -> Iterator[str]:
    unpriced = document.estimate.unpriced
    if unpriced:
        rows = "".join(f"<li>{escape(item.name)}: {escape(item.what)}, {escape(item.why)}</li>" for item in unpriced)
        yield (
            f'<div class="note"><strong class="bad">Not in these figures: {len(unpriced)} without a price</strong>'
            f"<ul>{rows}</ul></div>"
        )


def _change(document: Document) -> Iterator[str]:
    difference = document.difference
    if difference is None:
        return
    rows = [(change.name, _kind(change.before, change.after), signed(change.monthly)) for change in difference.changes]
    yield f"<h2>This change</h2><p>{escape(difference.sentence())}</p>"
    yield _table(("resource", "", "a month"), rows[:_CHANGES])
    if len(rows) > _CHANGES:
        yield f'<p class="dim">and {len(rows) - _CHANGES} more</p>'


def _kind(before: Line | None, after: Line | None) -> str:
    return "new" if before is None else "deleted" if after is None else "changed"


def _sides(document: Document) -> Iterator[str]:
    legend = '<p class="dim">Dark: expected. Pale: from the least to the most that the settings allow.</p>'
    pools = [(share.name, share.range) for share in by_pool(document.estimate)]
    yield f"<h2>By pool</h2>{legend}{charts.ranges(pools)}"
    clusters = [(share.name, share.range) for share in by_cluster(document.estimate)]
    yield f"<h2>By cluster</h2>{charts.ranges(clusters)}"


def _largest(document: Document) -> str:
    rows = [
        (line.name, ", ".join(dict.fromkeys(item.name for item in line.components)), money(line.expected))
        for line in top(document.estimate, _TOP)
    ]
    return f"<h2>Top ten</h2>{_table(('resource', 'what', 'a month'), rows)}"


def _section(section: Section) -> str:
    note = f'<p class="dim">{escape(section.note)}</p>' if section.note else ""
    return f"<h2>{escape(section.title)}</h2>{note}{_table(section.columns, section.rows, wide=True)}"


def _what_if(document: Document) -> Iterator[str]:
    today = document.estimate
    priced = [
        (item.title, item.estimate.total.expected, item.saving(today), item.assumption)
        for item in document.alternatives
        if item.estimate
    ]
    if not document.alternatives:
        return
    yield f"<h2>What if</h2>{charts.savings(today.total.expected, priced)}"
    for item in document.alternatives:
        if item.estimate is None:
            yield f'<p class="dim">{escape(item.title)}: not priced, {escape(item.assumption)}.</p>'


def _upfront(document: Document) -> Iterator[str]:
    rows = [(line.name, item.name, money(item.upfront or Decimal(0))) for line, item in document.estimate.upfront]
    if rows:
        yield f"<h2>Paid at once</h2>{_table(('resource', 'what', 'when it is bought'), rows)}"


def _assumptions(document: Document) -> Iterator[str]:
    texts = sorted(
        {
            (item.name, note)
            for line in document.estimate.lines
            for item in line.components
            for note in (item.assumption, item.unit_price.derived if item.unit_price else "")
            if note
        }
    )
    if texts:
        rows = "".join(f"<li>{escape(name)}: {escape(note)}</li>" for name, note in texts)
        yield f"<h2>Assumed</h2><details><summary>{len(texts)} assumptions</summary><ul>{rows}</ul></details>"


def _prices(document: Document) -> str:
    rows = [
        (f"{price.usd.normalize():f} USD per {price.unit}", price.region, f"{price.as_of} {' '.join(price.sources)}")
        for price in document.estimate.prices
    ]
    inner = _table(("price", "region", "date and source"), rows)
    return f"<h2>Prices</h2><details><summary>{len(rows)} prices, each with its source</summary>{inner}</details>"


def _everything(document: Document) -> str:
    rows = [(line.name, *_cells(item)) for line in document.estimate.lines for item in line.components]
    inner = _table(("resource", "what", "quantity", "a month"), rows, wide=True)
    free = f'<p class="dim">{len(document.estimate.free)} resources cost nothing by themselves.</p>'
    return f"<h2>Every line</h2><details><summary>{len(rows)} lines</summary>{inner}</details>{free}"


def _cells(item: Component) -> tuple[str, str, str]:
    amount = "unpriced" if item.monthly is None else money(item.monthly)
    return item.name, f"{item.quantity.normalize():,f} {item.unit}", amount


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, wide: bool = False) -> str:
    """The last column holds amounts; on a narrow screen the second gives way, unless the table may scroll."""
    kinds = ["", *("" if wide else "what" for _ in columns[1:-1]), "amount"]
    head = "".join(f'<th class="{kind}">{escape(name)}</th>' for kind, name in zip(kinds, columns, strict=True))
    body = "".join(f"<tr>{_row(kinds, row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _row(kinds: Sequence[str], cells: Sequence[str]) -> str:
    return "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds, cells, strict=True))
