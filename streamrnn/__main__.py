"""`python -m streamrnn`: the same as the `streamrnn` command."""

import sys

from streamrnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
