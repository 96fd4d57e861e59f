"""Parts that networks and losses are made of; each once, each checked against a literal twin."""
