"""``python -m mezha``: the command line, where the ``mezha`` script is not on the path."""

import sys

from mezha.cli import main

if __name__ == "__main__":
    sys.exit(main())
