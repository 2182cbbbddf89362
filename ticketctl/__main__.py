"""The entry point of `python -m ticketctl` and of the console script."""

import gc
import sys

OBJECTS_PER_COLLECTION = 50_000
"""The imports of a command make some 300,000 objects that live as long as the program. Python's default, 700, would look
through them again and again."""


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    from ticketctl.cli.app import run

    try:
        sys.exit(run(sys.argv[1:]))
    finally:
        gc.freeze()  # else Python looks through all objects once more, at its very end


if __name__ == "__main__":
    main()
