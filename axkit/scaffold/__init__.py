"""``axkit new-plugin``: an installable package with a test that passes, to start from."""
