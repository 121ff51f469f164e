"""Who watches the bot: a live table on a terminal, plain lines elsewhere, and the bot's own list of orders."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from pathlib import Path
from typing import IO, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ares_otel.demo.events import Decision, Event, Progress, Tripped, Trouble
from ares_otel.demo.orders import ExecutionReport

__all__ = ["Journal", "Lines", "Screen", "sentence"]

ROWS: Final = 12
ORDERS: Final = 4
REMEMBERED: Final = 2_000
REFRESHES: Final = 6
EVERY: Final = 1_000
MARKS: Final = {"buy": ("▲", "blue"), "sell": ("▼", "yellow"), "hold": ("·", "bright_black")}
SHORT: Final = {
    "bull_trend": "bull",
    "bear_trend": "bear",
    "high_volatility": "high vol",
    "low_volatility": "low vol",
}


class Journal:
    """The bot's own list of what it did: one JSON line for each decision, order and execution report.

    Args:
        path: the file; lines are added.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        """Write what happened."""
        if isinstance(event, Decision):
            self._write(
                kind="decision",
                correlation_id=event.key,
                strategy=event.strategy,
                symbol=event.symbol,
                action=event.action,
                votes=len(event.predictions),
                orders=[order.client_id for order in event.orders],
            )
        elif isinstance(event, ExecutionReport):
            self._write(
                kind="update",
                client_id=event.client_id,
                status=event.status,
                trade_id=event.trade_id,
                quantity=None if event.last_quantity is None else str(event.last_quantity),
                price=None if event.last_price is None else str(event.last_price),
                fee=None if event.trade_id is None else str(event.fee),
            )

    def _write(self, **line: object) -> None:
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Write what waits and close the file."""
        self._file.close()


class Lines:
    """Plain lines for a file or a pipe: the first decision at once, then one in a thousand, and all trouble."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = 0

    def __call__(self, event: Event) -> None:
        """Say what happened, if it is worth a line."""
        if isinstance(event, Decision):
            if self._seen % EVERY == 0:
                self._console.print(sentence(event), highlight=False, soft_wrap=True)
            self._seen += 1
        elif isinstance(event, Trouble):
            self._console.print(event.message, highlight=False, soft_wrap=True)
        elif isinstance(event, Tripped):
            self._console.print(_tripped(event), highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to take down."""


class Screen:
    """A live table of the newest decisions with a progress bar.

    Args:
        console: a terminal.
        footer: what to say below, such as where the page is.
    """

    def __init__(self, console: Console, footer: Text) -> None:
        self._rows: deque[Decision] = deque(maxlen=ROWS)
        self._orders: deque[Decision] = deque(maxlen=ORDERS)
        self._states: OrderedDict[str, str] = OrderedDict()
        self._footer = footer
        self._note = ""
        self._progress = Progress(0, 1)
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=REFRESHES, transient=False)

    def __call__(self, event: Event) -> None:
        """Take what happened; the picture is drawn by the clock, not by the event."""
        if isinstance(event, Decision):
            self._rows.append(event)
            if event.orders:
                self._orders.append(event)
        elif isinstance(event, ExecutionReport):
            self._states[event.client_id] = event.status
            if len(self._states) > REMEMBERED:
                self._states.popitem(last=False)
        elif isinstance(event, Progress):
            self._progress = event
        elif isinstance(event, Trouble):
            self._note = event.message
        elif isinstance(event, Tripped):
            self._note = _tripped(event)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        done, total = self._progress.done, self._progress.total
        line = Table.grid(padding=(0, 2))
        line.add_row("history", ProgressBar(total=total, completed=done, width=40), f"{done:,} of {total:,} decisions")
        parts: list[RenderableType] = [self._table("newest decisions", list(self._rows))]
        if self._orders:
            parts.append(self._table("newest orders", list(self._orders)))
        if self._note:
            parts.append(Text(self._note, style="yellow"))
        return Group(*parts, line, self._footer)

    def _table(self, title: str, decisions: list[Decision]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bright_black", title=title, title_justify="left")
        for name, width in (("day", 10), ("strategy", 9), ("symbol", 7)):
            table.add_column(name, min_width=width)
        table.add_column("price", justify="right", min_width=9)
        for name, width in (("regime", 8), ("votes", 10), ("action", 6), ("order", 20), ("state", 8)):
            table.add_column(name, min_width=width, no_wrap=True)
        table.add_column("equity", justify="right", min_width=8)
        for decision in decisions:
            table.add_row(*self._cells(decision))
        return table

    def _cells(self, decision: Decision) -> list[RenderableType]:
        mark, color = MARKS[decision.action]
        order = decision.orders[0].client_id if decision.orders else ""
        denied = "denied" if decision.denied and not order else ""
        return [
            f"{decision.time:%Y-%m-%d}",
            decision.strategy,
            decision.symbol,
            f"{decision.price:,.2f}",
            SHORT.get(decision.regime.regime, decision.regime.regime),
            _votes(decision),
            Text(f"{mark} {decision.action}", style=color),
            order,
            self._states.get(order, denied).replace("_", " "),
            f"{decision.equity:,.0f}",
        ]


def _votes(decision: Decision) -> Text:
    text = Text()
    for prediction in decision.predictions:
        text.append(*MARKS[prediction.action])
    text.append(f" {decision.verdict.confidence:.2f}")
    return text


def _tripped(event: Tripped) -> str:
    return f"{event.time:%Y-%m-%d}: the kill switch of {event.strategy} tripped at a drawdown of {event.drawdown:.1%}"


def sentence(decision: Decision) -> str:
    """Return a decision in a line."""
    votes = "".join(MARKS[prediction.action][0] for prediction in decision.predictions)
    order = f" by order {decision.orders[0].client_id}" if decision.orders else ""
    place = f"{decision.strategy} {decision.symbol} at {decision.price:,.2f}"
    return f"{decision.time:%Y-%m-%d}  {place}  {decision.regime.regime}  {votes}  {decision.action}{order}"
