"""The guide for users' tests says what is so: every piece of its code runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-schedules.md"
APP, *SNIPPETS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


def named_in(snippet: str) -> list[str]:
    return re.findall(r"^def (test_\w+)", snippet, re.MULTILINE)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("shop"), ModuleType("shop.schedules")
    exec(compile(APP, "shop/schedules.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "shop", package)
    monkeypatch.setitem(sys.modules, "shop.schedules", module)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("snippet", "name"), [(one, name) for one in SNIPPETS for name in named_in(one)])
def test_a_test_of_the_guide_passes(snippet: str, name: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(snippet, str(GUIDE), "exec"), names)
    names[name]()


def test_every_piece_of_the_guides_code_is_run() -> None:
    assert GUIDE.read_text().count("```") == 2 * (1 + len(SNIPPETS))
    assert all(named_in(one) for one in SNIPPETS)
