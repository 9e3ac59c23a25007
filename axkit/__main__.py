"""``python -m axkit``."""

from axkit.cli import main

if __name__ == "__main__":
    main()
