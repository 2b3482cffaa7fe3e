"""What games that are a table of payoffs share: their payoffs and their pictures."""
