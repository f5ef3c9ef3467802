"""What people get wrong: each is one line that names the value and the remedy, with its exit code, never a traceback."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from _pytest.capture import CaptureResult
from sqlalchemy import text

from matins.cli.main import main
from matins.config import variables
from matins.store.engine import Store
from matins.store.migrate import migrate
from tests.acceptance.cli_kit import Done, Shop
from tests.databases.session import Databases


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A migrated database that no daemon has seen."""
    shop = Shop(folder=tmp_path_factory.mktemp("shop"), url=databases.create("sqlite"))
    with closing(Store(shop.database_url)) as store:
        migrate(store)
    (shop.folder / "faulty.py").write_text(
        "from matins import Matins, cron\napp = Matins()\napp.schedule('x', cron('61 * * * *'), jobs='none')\n"
    )
    (shop.folder / "broken.py").write_text("raise RuntimeError('no fuse')\n")
    return shop


FAULTS: list[tuple[list[str], dict[str, str], int, list[str]]] = [
    (["show", "nihgtly"], {}, 1, ["no schedule 'nihgtly'", "`matins schedules` lists all."]),
    (["enable", "nihgtly"], {}, 1, ["no schedule 'nihgtly'"]),
    (["trigger", "nihgtly"], {}, 1, ["no schedule 'nihgtly'"]),
    (["history", "nihgtly"], {}, 1, ["no schedule 'nihgtly'"]),
    (["explain", "nihgtly", "--at", "now"], {}, 1, ["no schedule 'nihgtly'"]),
    (["backfill", "x", "--from", "-1h", "--to", "now"], {}, 1, ["no schedule 'x'"]),
    (["forget", "x", "--yes"], {}, 1, ["no schedule 'x'"]),
    (["run", "wrok"], {}, 1, ["no job 'wrok'", "`matins jobs`"]),
    (["logs", "999"], {}, 1, ["no run 999", "`matins runs`"]),
    (["cancel", "999"], {}, 1, ["no occurrence 999", "`matins history ID`"]),
    (["retry", "999"], {}, 1, ["no occurrence 999"]),
    (["drain", "w"], {}, 1, ["no worker 'w'", "`matins workers`"]),
    (["logs", "one"], {}, 2, ["'one' is not a run's number. `matins runs`"]),
    (["cancel", "99999999999999999999999"], {}, 1, ["no occurrence 99999999999999999999999"]),
    (["trigger", "x", "--args", "{day"], {}, 2, ["--args '{day' is not JSON", "Write an object"]),
    (["trigger", "x", "--args", "[1]"], {}, 2, ["'[1]' is not an object"]),
    (["trigger", "x", "--overlap", "alow"], {}, 2, ["'alow'", "Did you mean 'allow'?"]),
    (["history", "x", "--limit", "0"], {}, 2, ["The limit 0 is not from 1 to 1000."]),
    (["history", "x", "--cursor", "abc"], {}, 2, ["'abc'", "Leave it out"]),
    (["history", "x", "--status", "faild"], {}, 2, ["'faild'", "Did you mean 'failed'?"]),
    (["runs", "--since", "soon"], {}, 2, ["'soon' is not a time", "Write 2026"]),
    (["explain", "x"], {}, 2, ["--at", "`matins explain --help`"]),
    (["explain", "x", "--at", "25:00"], {}, 2, ["'25:00' is not a time"]),
    (["backfill", "x", "--from", "now"], {}, 2, ["--to"]),
    (["health", "--max-age", "-1"], {}, 2, ["--max-age -1 is not"]),
    (["shedules"], {}, 2, ["no command 'shedules'", "Did you mean 'schedules'?"]),
    (["schedules", "--jsn"], {}, 2, ["--jsn"]),
    (["schedules"], {"PORT": "eighty"}, 2, ["PORT", "'eighty'", "Leave it unset for 8080."]),
    (["schedules"], {"LOCK_TIMEOUT_MS": "100"}, 2, ["LOCK_TIMEOUT_MS", "Set it to at least"]),
    (["schedules"], {"APP_ENV": "my env"}, 2, ["APP_ENV", "'my env'"]),
    (["schedules"], {"DATABASE_URL": "oracle://x/y"}, 2, ["DATABASE_URL", "oracle"]),
    (["schedules"], {"DATABASE_URL": "nonsense"}, 2, ["DATABASE_URL", "'nonsense'"]),
    (["schedules"], {"DATABASE_URL": "sqlite:///gone.db"}, 1, ["gone.db does not exist", "`matins migrate`"]),
    (["migrate"], {"DATABASE_URL": "sqlite:////no/such/folder/x.db"}, 1, ["/no/such/folder/x.db"]),
    (
        ["schedules"],
        {"DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x"},
        1,
        ["127.0.0.1:1/x cannot be used now", "Check DATABASE_URL"],
    ),
    (["migrate"], {"DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x"}, 1, ["Check DATABASE_URL"]),
    (["daemon"], {"DATABASE_URL": ""}, 2, ["DATABASE_URL", "matins up"]),
    (["daemon"], {"MATINS_APP": ""}, 2, ["MATINS_APP", "--app package.module:attribute"]),
    (["up"], {"MATINS_APP": "shop.py"}, 2, ["'shop.py'", "package.module:attribute"]),
    (["up"], {"APP_ENV": "production"}, 2, ["JWT_SECRET", "32"]),
    (["plan"], {"MATINS_APP": "absent:app"}, 1, ["'absent:app'", "No module named 'absent'"]),
    (["plan"], {"MATINS_APP": "shop:ap"}, 1, ["'shop:ap'"]),
    (["plan"], {"MATINS_APP": "broken:app"}, 1, ["'broken:app'", "no fuse"]),
]


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "told"), FAULTS, ids=[" ".join([*a, *e.values()]) for a, e, _, _ in FAULTS]
)
def test_a_fault_is_one_line_with_value_and_remedy(
    shop: Shop,
    arguments: list[str],
    environment: dict[str, str],
    code: int,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In this process, for there are many; that the installed command does the same is tested below.
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    for name, value in {**shop.environment, **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shop.folder)
    assert main(arguments) == code
    _is_one_line(capsys.readouterr(), told)


@pytest.mark.parametrize("row", [FAULTS[0], FAULTS[12], FAULTS[-1]], ids=["not found", "wrong usage", "broken app"])
def test_the_installed_command_words_faults_alike(
    shop: Shop, row: tuple[list[str], dict[str, str], int, list[str]]
) -> None:
    arguments, environment, code, told = row
    done = shop.matins(*arguments, **environment)
    assert done.code == code
    _is_one_line(done, told)


def _is_one_line(printed: Done | CaptureResult[str], told: list[str]) -> None:
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("matins: ")
    for each in told:
        assert each in line
    assert "s3cret" not in line


def test_several_faults_have_a_line_each(shop: Shop) -> None:
    settings = shop.matins("schedules", PORT="x", MATINS_CONCURRENCY="none")
    assert settings.code == 2
    assert settings.err.splitlines()[0] == "matins: 2 things are wrong:"
    assert len(settings.err.splitlines()) == 3
    definitions = shop.matins("plan", MATINS_APP="faulty:app")
    assert definitions.code == 1
    assert "61" in definitions.err


def test_debug_shows_the_traceback_wherever_it_stands(shop: Shop) -> None:
    for arguments in (["--debug", "show", "x"], ["show", "x", "--debug"]):
        done = shop.matins(*arguments)
        assert done.code == 1
        assert "Traceback" in done.err
        assert done.err.splitlines()[-1].startswith("matins: There is no schedule 'x'.")


def test_a_schema_of_the_future_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    shop = Shop(folder=tmp_path, url=sqlite_url)
    with closing(Store(sqlite_url)) as store:
        migrate(store)
        store.write(lambda tx: tx.execute(text("UPDATE matins_schema SET version_num = '9999'")))
    for command in (["schedules"], ["migrate"], ["migrate", "--check"], ["daemon"]):
        done = shop.matins(*command)
        assert done.code == 1
        assert "newer than this version of Matins (schema 0001). Run the newer version." in done.err.splitlines()[-1]


def test_health_answers_a_program_even_without_a_database(shop: Shop) -> None:
    done = shop.matins("health", "--json", DATABASE_URL="sqlite:///gone.db")
    assert done.code == 1
    assert done.json["healthy"] is False
    assert done.json["problems"][0]["code"] == "wrong_schema"


def test_doctor_tells_each_matter_with_its_remedy(shop: Shop) -> None:
    done = shop.matins("doctor", MATINS_APP="absent:app", DATABASE_URL="sqlite:///gone.db", LOCK_TIMEOUT_MS="400000")
    assert done.code == 1
    graded = {tuple(line.split()[:2]) for line in done.out.splitlines() if not line.startswith(" ")}
    assert {("fault", "database"), ("fault", "app"), ("warning", "settings"), ("ok", "disk")} <= graded
    assert "Run `matins migrate`." in done.out
