"""The demo: a small but real trading bot on real market data, meant to be read and copied.

Begin with `bot.py`: one decision from the bar to the order. The rest, from the data to the loop:

| module | what it holds |
| --- | --- |
| `bars`, `features`, `regime`, `market` | what is known of a symbol at each bar |
| `members`, `walkforward`, `ensemble` | five models, trained on the past only, and their weighted vote |
| `strategy`, `risk` | from a vote to orders, and what has to hold before they are sent |
| `orders`, `account`, `fills`, `venue` | a paper venue with declared behaviour and an exact account |
| `book`, `bot`, `view` | the bot's own accounts, its decision, and who watches it |
| `state`, `session`, `live` | going on after a stop, replaying history, following a real market |
"""

from __future__ import annotations

__all__: list[str] = []
