"""What the pages ask: bounded questions, each answered from an index or a roll-up."""
