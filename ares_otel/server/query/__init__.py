"""Questions that pages and API ask a database, each a function of a `Reader`; `Pool` asks them off the event loop."""
