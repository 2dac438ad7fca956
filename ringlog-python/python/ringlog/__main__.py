"""`python -m ringlog ...`: the command `ringlog`."""

import os
import sys

from ringlog._ringlog import Error
from ringlog.binary import find_binary


def main() -> None:
    """Becomes the command, with the arguments of this process."""
    try:
        os.execv(find_binary(), ["ringlog", *sys.argv[1:]])
    except (Error, OSError) as error:
        sys.exit(f"ringlog: {error}")


if __name__ == "__main__":
    main()
