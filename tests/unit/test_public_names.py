"""The package's public names are all to be had, and importing it costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import matins


def test_every_public_name_is_there_and_nothing_else() -> None:
    assert matins._HOMES.keys() | {"__version__"} == set(matins.__all__)
    assert all(getattr(matins, name) is not None for name in matins.__all__)
    assert set(matins.__all__) <= set(dir(matins))
    assert not hasattr(matins, "no_such_name")


def test_importing_the_package_imports_none_of_its_parts() -> None:
    script = "import sys, matins; print([name for name in sys.modules if name.startswith('matins.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"
