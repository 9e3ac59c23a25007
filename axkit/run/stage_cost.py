"""What the engine itself does at each stage, in rows. Imports no torch."""

TIMED_ROWS = 1000  # that timing the model of a stage beside the dense one takes, about
COMPARED_ROWS = 2500  # that timing result and dense model at the end takes: more turns
