"""Studies: each file one question, one table, one plot."""
