"""Kinds of task, a folder each; ``kind`` says what one consists of, ``known`` opens them by name."""
