"""What a model folder holds, ours or not: read off its files first, then off the loaded model where it loads."""

from axkit.finished.inspect.inspected import Inspected, inspect

__all__ = ["Inspected", "inspect"]
