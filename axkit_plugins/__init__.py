"""axkit's own passes, models and tasks; they come through the same entry points as a stranger's."""
