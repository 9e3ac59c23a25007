"""Evaluate one candidate on the search rows, in bfloat16 as far as that is enough."""
