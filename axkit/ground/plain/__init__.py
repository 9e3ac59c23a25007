"""YAML text to plain values with their lines, within bounds: nothing is executed, expanded without end or guessed.

What is read is YAML 1.2's core: mappings, lists, text, whole numbers, finite floats, true, false and null; anchors,
aliases and merge keys (``<<``). Everything else is refused by line. ``ruamel.yaml`` tells the events; what they mean is
decided here, so that the bounds hold before time and memory are taken.
"""
