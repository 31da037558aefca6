"""Charts out of HTML boxes: no script, no picture. Every bar has its amount beside it in words."""

import html
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from policies.cost.model import Category, Range
from policies.cost.summary import money, span

STYLE: Final = """
.stack{display:flex;height:1.6rem;gap:2px;border-radius:.3rem;overflow:hidden;margin:.5rem 0}
.stack span{min-width:2px}
.key{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:.15rem 2rem;padding:0;margin:.5rem 0;
list-style:none}
.key li{display:flex;gap:.5rem;align-items:baseline}
.key i{flex:none;width:.75rem;height:.75rem;border-radius:.15rem}
.key b{font-weight:500;flex:1}
.bars{list-style:none;margin:.5rem 0;padding:0}
.bars li{display:grid;grid-template-columns:minmax(8rem,2fr) minmax(6rem,4fr) minmax(13rem,auto);gap:.2rem 1rem;
align-items:center;padding:.3rem 0}
.bars .amount{text-align:right}
.track{position:relative;height:.9rem;background:var(--card);border-radius:.2rem}
.track span{position:absolute;top:0;height:100%;border-radius:.2rem}
.track .span{background:var(--soft)}
.track .mark{background:var(--accent)}
.track .better{background:var(--good)}
.c0{background:var(--c0)}.c1{background:var(--c1)}.c2{background:var(--c2)}.c3{background:var(--c3)}
.c4{background:var(--c4)}.c5{background:var(--c5)}
@media(max-width:40rem){.bars li{grid-template-columns:1fr auto}.bars .track{grid-column:1/-1;grid-row:2}}
""".replace("\n", "")
LIGHT: Final = "--c0:#2a6fdb;--c1:#12907e;--c2:#b8741a;--c3:#8a55c7;--c4:#c2476b;--c5:#6b7280"
DARK: Final = "--c0:#5c9dff;--c1:#2fc0aa;--c2:#e0a04a;--c3:#b98cf0;--c4:#f0809f;--c5:#9aa3af"
_PERCENT: Final = Decimal(100)
_TENTH: Final = Decimal("0.1")


def escape(value: object) -> str:
    """Text for HTML; names come from programs."""
    return html.escape(str(value))


def stacked(parts: Sequence[tuple[Category, Range]]) -> str:
    """One bar of all categories, and what each is, in the same order."""
    whole = sum((amount.expected for _, amount in parts), Decimal(0))
    if not whole:
        return "<p>Nothing here is priced.</p>"
    bar = "".join(
        f'<span class="c{category.rank}" style="flex:{amount.expected / whole:.5f}" '
        f'title="{escape(category)}: {money(amount.expected)}"></span>'
        for category, amount in parts
        if amount.expected
    )
    key = "".join(
        f'<li><i class="c{category.rank}"></i><b>{escape(category)}</b><span class="number">{money(amount.expected)}'
        f'</span><span class="dim number">{_share(amount.expected, whole)}</span></li>'
        for category, amount in parts
    )
    return f'<div class="stack" role="img" aria-label="Cost by category">{bar}</div><ul class="key">{key}</ul>'


def _share(part: Decimal, whole: Decimal) -> str:
    percent = _PERCENT * part / whole
    return f"{percent:.1f} %" if percent >= _TENTH or not part else "&lt; 0.1 %"


def ranges(rows: Sequence[tuple[str, Range]]) -> str:
    """One bar for each name: dark up to what is expected, pale from the least to the most."""
    longest = max((amount.high for _, amount in rows), default=Decimal(0)) or Decimal(1)
    return _bars(
        (
            name,
            _piece("span", amount.low, amount.high, longest) + _piece("mark", Decimal(0), amount.expected, longest),
            f"{money(amount.expected)}{_between(amount)}",
        )
        for name, amount in rows
    )


def _between(amount: Range) -> str:
    return f'<br><span class="dim">{span(amount)}</span>' if amount.low != amount.high else ""


def savings(today: Decimal, rows: Sequence[tuple[str, Decimal, Decimal, str]]) -> str:
    """One bar for today's amount and one for each alternative. Rows: title, monthly, saving, assumption."""
    longest = max([today, *(monthly for _, monthly, _, _ in rows)]) or Decimal(1)
    bars = [("As it is", _piece("mark", Decimal(0), today, longest), money(today), "the estimate above")]
    for title, monthly, saving, assumption in rows:
        told = f'{money(monthly)}<br><span class="dim">{"saves" if saving >= 0 else "adds"} {money(abs(saving))}</span>'
        bars.append((title, _piece("better", Decimal(0), monthly, longest), told, assumption))
    return _bars(bars)


def _bars(rows: Iterable[tuple[str, ...]]) -> str:
    items = []
    for name, bar, amount, *note in rows:
        below = f'<br><span class="dim">{escape(note[0])}</span>' if note else ""
        items.append(
            f'<li><span>{escape(name)}{below}</span><div class="track">{bar}</div>'
            f'<span class="amount number">{amount}</span></li>'
        )
    return f'<ul class="bars">{"".join(items)}</ul>'


def _piece(kind: str, start: Decimal, end: Decimal, whole: Decimal) -> str:
    return f'<span class="{kind}" style="left:{_place(start, whole)};width:{_place(end - start, whole)}"></span>'


def _place(part: Decimal, whole: Decimal) -> str:
    return f"{_PERCENT * part / whole:.3f}%"
