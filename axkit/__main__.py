"""``python -m axkit``."""

from axkit.cli.app import main

if __name__ == "__main__":
    main()
