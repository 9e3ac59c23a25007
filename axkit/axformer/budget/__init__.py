"""The other objective: remove what buys most until a target is reached."""
