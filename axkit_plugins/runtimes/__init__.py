"""Models for other runtimes: the pass ``export``, and the bodies that it makes."""
