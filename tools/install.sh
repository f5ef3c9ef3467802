#!/bin/sh
# Installs the locked development dependencies and the package itself into the environment of $PYTHON.
# uv does it in seconds where there is one; pip does it everywhere.
set -eu

if uv --version >/dev/null 2>&1; then
    uv pip install --quiet --python "$PYTHON" --require-hashes -r requirements/dev.txt
    uv pip install --quiet --python "$PYTHON" --no-deps --no-build-isolation -e .
else
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
fi

# The first import compiles what is imported: done here, it does not slow the first start down.
"$PYTHON" -c 'import alembic.op, feedparser, httpx, matins.cli.trigger, matins.cli.up'
