"""The frame of the command line: exit codes, the wording of errors, and that it starts fast."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matins.cli import main as command_line
from matins.cli.lazy import Entry, lazy_group, load_command
from matins.errors import AppLoadError, ConflictError

COMMAND = [sys.executable, "-m", "matins.cli.main"]


def matins(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def broken_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make ``matins next`` raise what the test gives."""

    def arrange(error: BaseException) -> None:
        def raising(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("matins.cli.next.cron", raising)

    return arrange


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["--version"], 0, "matins ", ""),
        ([], 0, "Usage: matins", ""),
        (["--help"], 0, "Fire times to come.", ""),
        (["next", "--help"], 0, "ID-or-EXPRESSION", ""),
        (["next", "@daily", "-n", "1"], 0, "UTC", "00:00"),
        (["nxet"], 2, "", "matins: There is no command 'nxet'. Did you mean 'next'?"),
        (["--colour"], 2, "", "matins: No such option: --colour. `matins --help` tells more."),
        (["next"], 2, "", "Missing argument"),
        (["next", "@daily", "more"], 2, "", "`matins next --help` tells more."),
        (["next", "61 * * * *"], 2, "", "61"),
    ],
)
def test_each_use_has_its_exit_code_and_no_traceback(arguments: list[str], code: int, out: str, err: str) -> None:
    done = matins(*arguments)
    assert done.returncode == code, done.stderr
    assert out in done.stdout
    assert err in done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1


def test_an_error_of_matins_exits_with_its_own_code(
    broken_command: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(ConflictError("It is running.", remedy="Wait."))
    assert command_line.main(["next", "@daily"]) == 1
    assert capsys.readouterr().err == "matins: It is running. Wait.\n"


def test_an_unexpected_error_is_one_line_and_with_debug_a_traceback(
    broken_command: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(KeyError("fuse\nblown"))
    assert command_line.main(["next", "@daily"]) == 1
    printed = capsys.readouterr().err
    assert printed.splitlines() == [printed.strip()]
    assert "unexpected KeyError" in printed
    assert "--debug" in printed
    assert command_line.main(["--debug", "next", "@daily"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_debug_tells_what_the_loading_process_said(
    broken_command: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(AppLoadError("shop:app raises.", detail="  File shop.py, line 3\n\x1b[2Jno fuse"))
    assert command_line.main(["next", "@daily"]) == 1
    assert "no fuse" not in capsys.readouterr().err
    assert command_line.main(["--debug", "next", "@daily"]) == 1
    assert "  \\x1b[2Jno fuse\n" in capsys.readouterr().err


def test_a_name_that_the_encoding_lacks_is_shown_escaped() -> None:
    script = (
        "from matins.cli import main, output;"
        "main.app = lambda **_: output.line('caf\u00e9');"
        "raise SystemExit(main.main(['x']))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "caf\\xe9\n")


def test_an_interrupted_command_exits_130(broken_command: Callable[[BaseException], None]) -> None:
    broken_command(KeyboardInterrupt())
    assert command_line.main(["next", "@daily"]) == 130


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("count", ["1", "1000"])
def test_a_reader_that_went_away_ends_the_command_quietly(count: str, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "next", "* * * * *", "-n", count],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr == "Every minute\n"


def test_only_the_command_that_is_used_is_imported() -> None:
    script = (
        "import sys; from matins.cli.main import main; main(['--help']);"
        "print([m for m in sys.modules if m.startswith('matins.') or m in ('rich', 'sqlalchemy', 'pydantic_settings')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    imported = done.stdout.splitlines()[-1]
    assert "matins.cli.main" in imported
    for absent in ("matins.cli.next", "matins.cli.check", "matins.config", "'rich'", "sqlalchemy", "pydantic_settings"):
        assert absent not in imported


def test_an_expression_needs_neither_settings_nor_a_database() -> None:
    script = (
        "import sys; from matins.cli.main import main; main(['next', '@daily', '--json']);"
        "print('rich' in sys.modules, 'sqlalchemy' in sys.modules, 'pydantic_settings' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False False False"


@pytest.mark.parametrize("name", sorted(command_line.COMMANDS))
def test_every_listed_command_loads_and_has_help(name: str) -> None:
    command = load_command(name, command_line.COMMANDS[name])
    assert command.name == name
    assert command.help


def test_a_family_of_commands_is_listed_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "family_of_two.py").write_text(
        "import typer\napp = typer.Typer(help='Two.')\n"
        "@app.command()\ndef add(name: str) -> None:\n    print('added', name)\n"
        "@app.command()\ndef remove(name: str) -> None:\n    print('removed', name)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entries = {"user": Entry(module="family_of_two", summary="Two.")}
    group = lazy_group(entries)(name="matins")
    family = load_command("user", entries["user"])
    assert [stub.name for stub in group.commands.values()] == ["user"]
    assert sorted(family.commands) == ["add", "remove"]
