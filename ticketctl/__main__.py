"""The entry point of `python -m ticketctl` and of the console script."""

import sys


def main() -> None:
    """Run the command line and exit with its status."""
    from ticketctl.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
