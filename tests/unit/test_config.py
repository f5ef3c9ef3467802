"""Settings: defaults, where values come from, and every fault at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from matins.config import Purpose, Settings, load, variables
from matins.config_faults import misspelt
from matins.errors import ConfigError, Fault

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults_of(purpose: Purpose = Purpose.READ, app: str | None = None) -> dict[str, Fault]:
    with pytest.raises(ConfigError) as raised:
        load(purpose, app=app)
    return {fault.where: fault for fault in raised.value.faults}


def test_a_bare_environment_gives_the_documented_defaults() -> None:
    settings = load()
    assert settings.app is None
    assert settings.environment == "development"
    assert settings.database.url == "sqlite+pysqlite:///matins.db"
    assert settings.daemon_enabled is True
    assert (settings.poll_interval_ms, settings.lock_timeout_ms) == (60_000, 60_000)
    assert (settings.heartbeat_interval_ms, settings.shutdown_grace_ms) == (15_000, 25_000)
    assert settings.job_timeout == timedelta(hours=24)
    assert (settings.history_days, settings.log_days) == (90, 30)
    assert settings.executor == "local"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.jwt_secret is None
    assert settings.jwt_role_map == {}


@pytest.mark.parametrize(("cores", "expected"), [(None, 4), (1, 4), (2, 4), (8, 16)])
def test_concurrency_is_twice_the_cores_and_at_least_four(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, expected: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert load().concurrency == expected


@pytest.mark.parametrize(
    ("variable", "text", "field", "expected"),
    [
        ("SCHEDULE_DAEMON_ENABLED", "false", "daemon_enabled", False),
        ("SCHEDULE_POLL_INTERVAL_MS", " 500 ", "poll_interval_ms", 500),
        ("MATINS_JOB_TIMEOUT", "90m", "job_timeout", timedelta(minutes=90)),
        ("MATINS_EXECUTOR", "CELERY", "executor", "celery"),
        ("MATINS_LOG_FORMAT", "json", "log_format", "json"),
        ("MATINS_LOG_LEVEL", "Debug", "log_level", "debug"),
        ("MATINS_CONCURRENCY", "7", "concurrency", 7),
        ("PORT", "0", "port", 0),
        ("JWT_ROLE_MAP", "boss=admin, clerk = VIEWER", "jwt_role_map", {"boss": "ADMIN", "clerk": "VIEWER"}),
        ("MATINS_APP", "shop.schedules:app", "app", "shop.schedules:app"),
    ],
)
def test_a_variable_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(load(), field) == expected


def test_every_fault_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "PORT": "eighty",
        "LOCK_TIMEOUT_MS": "1000",
        "HEARTBEAT_INTERVAL_MS": "500",
        "MATINS_JOB_TIMEOUT": "soon",
        "MATINS_EXECUTOR": "kubernetes",
        "SCHEDULE_DAEMON_ENABLED": "perhaps",
        "MATINS_CONCURRENCY": "0",
        "JWT_ROLE_MAP": "boss=KING",
        "JWT_SECRET": SECRET,
        "DATABASE_URL": "oracle://x/y",
    }
    for variable, text in wrong.items():
        monkeypatch.setenv(variable, text)
    faults = faults_of(Purpose.UP)
    assert set(faults) == set(wrong) - {"HEARTBEAT_INTERVAL_MS"} | {"MATINS_APP"}
    assert "'eighty' is not a port" in faults["PORT"].what
    assert all(fault.remedy for fault in faults.values())


def test_a_faulty_heartbeat_does_not_hide_behind_the_lock_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTBEAT_INTERVAL_MS", "often")
    monkeypatch.setenv("LOCK_TIMEOUT_MS", "100")
    assert set(faults_of()) == {"HEARTBEAT_INTERVAL_MS"}


@pytest.mark.parametrize(("lock", "allowed"), [(2_999, False), (3_000, True)])
def test_a_lock_lasts_three_heartbeats(monkeypatch: pytest.MonkeyPatch, lock: int, allowed: bool) -> None:
    monkeypatch.setenv("HEARTBEAT_INTERVAL_MS", "1000")
    monkeypatch.setenv("LOCK_TIMEOUT_MS", str(lock))
    if allowed:
        assert load().lock_timeout_seconds == 3.0
    else:
        assert "3000" in faults_of()["LOCK_TIMEOUT_MS"].remedy


@pytest.mark.parametrize(("lock", "margin"), [(60_000, 5.0), (30_000, 5.0), (6_000, 1.0)])
def test_the_fencing_margin_is_five_seconds_or_a_sixth_of_the_lock(
    monkeypatch: pytest.MonkeyPatch, lock: int, margin: float
) -> None:
    monkeypatch.setenv("HEARTBEAT_INTERVAL_MS", "1000")
    monkeypatch.setenv("LOCK_TIMEOUT_MS", str(lock))
    assert load().fencing_margin_seconds == margin


def test_a_secret_is_in_no_message_and_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:{SECRET}@db:eighty/x")
    monkeypatch.setenv("JWT_JWKS_URL", f"ftp://me:{SECRET}@keys")
    with pytest.raises(ConfigError) as raised:
        load(Purpose.WEB)
    assert {fault.where for fault in raised.value.faults} == {"JWT_SECRET", "DATABASE_URL", "JWT_JWKS_URL"}
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:{SECRET}@db/x")
    monkeypatch.delenv("JWT_JWKS_URL")
    settings = load()
    assert SECRET not in repr(settings)
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == SECRET


@pytest.mark.parametrize("purpose", [Purpose.DAEMON, Purpose.WEB])
def test_a_daemon_or_server_alone_refuses_a_private_file(purpose: Purpose) -> None:
    fault = faults_of(purpose, app="a:b")["DATABASE_URL"]
    assert "matins up" in fault.remedy


@pytest.mark.parametrize("purpose", [Purpose.READ, Purpose.CHECK, Purpose.UP])
def test_all_else_may_use_the_default_file(purpose: Purpose) -> None:
    assert load(purpose, app="a:b").database.safe_url == "sqlite:///matins.db"


@pytest.mark.parametrize("purpose", [Purpose.CHECK, Purpose.UP, Purpose.DAEMON])
def test_what_loads_the_application_wants_it_named(monkeypatch: pytest.MonkeyPatch, purpose: Purpose) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    assert "--app" in faults_of(purpose)["MATINS_APP"].remedy
    with pytest.raises(ConfigError, match="MATINS_APP"):
        load(Purpose.READ).app_reference()


@pytest.mark.parametrize("reference", ["shop", "shop:", ":app", "shop/x.py:app", "shop schedules:app", "1a:b"])
def test_an_application_reference_of_another_form_is_a_fault(reference: str) -> None:
    assert repr(reference) in faults_of(app=reference)["--app"].what


def test_production_servers_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    assert set(faults_of(Purpose.UP, app="a:b")) == {"JWT_SECRET"}
    monkeypatch.setenv("JWT_JWKS_URL", "https://keys.example/jwks")
    assert load(Purpose.UP, app="a:b").production


def test_a_secret_beside_another_key_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "s" * 32)
    monkeypatch.setenv("JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----")
    assert set(faults_of(Purpose.UP, app="a:b")) == {"JWT_SECRET"}


def test_a_daemon_does_not_judge_the_servers_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("JWT_SECRET", "short")
    assert load(Purpose.DAEMON, app="a:b").purpose is Purpose.DAEMON


def test_app_env_goes_before_node_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "production")
    assert load().environment == "production"
    monkeypatch.setenv("APP_ENV", "staging")
    assert load().environment == "staging"
    monkeypatch.setenv("APP_ENV", "")
    assert load().environment == "production"


def test_a_fault_in_node_env_is_told_of_node_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "a b")
    assert set(faults_of()) == {"NODE_ENV"}


def test_the_command_line_goes_before_the_environment_and_that_before_pyproject(
    monkeypatch: pytest.MonkeyPatch, bare_environment: Path
) -> None:
    (bare_environment / "pyproject.toml").write_text('[tool.matins]\napp = "file.app:app"\n')
    nested = bare_environment / "deep" / "er"
    nested.mkdir(parents=True)
    monkeypatch.chdir(nested)
    (nested / "pyproject.toml").write_text("[project]\n")
    assert load().app == "file.app:app"
    monkeypatch.setenv("MATINS_APP", "env.app:app")
    assert load().app == "env.app:app"
    assert load(app="line.app:app").app == "line.app:app"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.matins]\napp = 3\n", "not a text"),
        ('[tool.matins]\napp = "a:b"\nport = 1\n', "'port' is not read here"),
        ('[tool.matins]\napp = "a"\n', "not of the form"),
        ("[tool]\nmatins = 1\n", "not a table"),
        ("[tool.matins\n", "cannot be read"),
    ],
)
def test_a_fault_in_pyproject_names_the_file(bare_environment: Path, text: str, expected: str) -> None:
    path = bare_environment / "pyproject.toml"
    path.write_text(text)
    [fault] = faults_of().values()
    assert fault.where.startswith(str(path))
    assert expected in fault.what


def test_lower_case_variables_of_other_programs_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("port", "eighty")
    monkeypatch.setenv("purpose", "none")
    assert load().port == 8080


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_a_lock_above_five_minutes_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCK_TIMEOUT_MS", "300000")
    assert load().warnings() == []
    monkeypatch.setenv("LOCK_TIMEOUT_MS", "300001")
    assert [fault.where for fault in load().warnings()] == ["LOCK_TIMEOUT_MS"]


def test_a_mistyped_variable_is_noticed_and_a_strangers_is_not() -> None:
    found = misspelt(["MATINS_CONCURENCY", "MATINS_SERVICE_HOST", "PORTS", "MATINS_APP"], variables())
    assert [(fault.where, fault.remedy) for fault in found] == [
        ("MATINS_CONCURENCY", "Did you mean MATINS_CONCURRENCY?")
    ]


def test_every_setting_says_what_it_means_and_what_it_expects() -> None:
    for name, field in Settings.model_fields.items():
        if name != "purpose":
            assert field.description, name
            assert isinstance(field.json_schema_extra, dict), name
