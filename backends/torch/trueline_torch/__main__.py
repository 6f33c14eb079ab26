"""One process of the torch backend: `python -m trueline_torch`, alone or under torchrun."""

import os

from .connection import Connection

if __name__ == "__main__":
    connection = Connection({"rank": int(os.environ.get("RANK", "0"))})
    from .service import serve

    serve(connection)
