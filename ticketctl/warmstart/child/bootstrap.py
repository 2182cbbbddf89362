"""Entry point of a child process: `python -P bootstrap.py fork_server|environment|ric_host DESCRIPTOR [MODULE...]`.

DESCRIPTOR is the socket on which requests arrive. A fork server imports the MODULEs before it serves the first one.
"""

import importlib.util
import sys
from pathlib import Path

PACKAGE = "_ticketctl_warmstart_child"


def load_package() -> None:
    """Put this folder into sys.modules as a package, without an entry on sys.path."""
    here = Path(__file__).parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} cannot be loaded as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Serve as a fork server, or as one execution environment."""
    kind, descriptor, *preload = sys.argv[1:]
    load_package()
    entry = importlib.import_module(f"{PACKAGE}.{kind}")
    entry.main(int(descriptor), preload)


if __name__ == "__main__":
    main()
