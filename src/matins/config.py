"""Every setting: its name, its default, its environment variable, and what it may be.

All faults are reported at once, each with the variable, the value and the remedy; a secret's value never is.
Nothing else in Matins reads the environment for settings.
"""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from matins import config_rules
from matins.config_faults import faults_of, misspelt, names_of
from matins.config_fields import (
    Role,
    as_database,
    as_duration,
    as_lower,
    as_role_map,
    default_concurrency,
    milliseconds,
    setting,
)
from matins.config_rules import APP_REMEDY, Purpose
from matins.database_url import DatabaseUrl
from matins.errors import ConfigError, Fault
from matins.pyproject import ProjectApp, app_from_pyproject

__all__ = ["APP_REMEDY", "Purpose", "Role", "Settings", "essentials", "load", "mistyped", "variables"]

_ENVIRONMENT = ("APP_ENV", "NODE_ENV")
_PRODUCTION = "production"
_LONG_LOCK_MS = 5 * 60 * 1000


class Settings(BaseSettings):
    """All settings, checked. Made by `load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        env_ignore_empty=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        extra="ignore",
    )

    purpose: Purpose = Field(default=Purpose.READ, validation_alias="_purpose")

    app: str | None = setting("MATINS_APP", None, "of the form package.module:attribute", "where the application is")
    environment: str = setting(
        AliasChoices(*_ENVIRONMENT),
        "development",
        "a name of letters, digits, dots, dashes and underscores",
        "which schedules apply: those whose environments name it, and those that name none",
        pattern=r"^[A-Za-z0-9_.-]{1,50}$",
    )
    database: Annotated[DatabaseUrl, NoDecode, BeforeValidator(as_database)] = setting(
        "DATABASE_URL", None, "a database URL", "SQLite, PostgreSQL, MySQL or MariaDB"
    )

    daemon_enabled: bool = setting(
        "SCHEDULE_DAEMON_ENABLED", True, "true or false", "false: the daemon says so and exits 0"
    )
    poll_interval_ms: int = milliseconds(
        "SCHEDULE_POLL_INTERVAL_MS", 60_000, "the longest the scheduler sleeps when nothing is due"
    )
    heartbeat_interval_ms: int = milliseconds(
        "HEARTBEAT_INTERVAL_MS", 15_000, "how often a worker renews its heartbeat and its locks"
    )
    lock_timeout_ms: int = milliseconds(
        "LOCK_TIMEOUT_MS",
        60_000,
        "how long a lock outlives its holder's last renewal, and running jobs a database that is away",
        least=30,
    )
    shutdown_grace_ms: int = milliseconds(
        "SHUTDOWN_GRACE_MS", 25_000, "how long a stop may take after SIGTERM, kills included", least=0
    )
    job_timeout: Annotated[timedelta, BeforeValidator(as_duration)] = setting(
        "MATINS_JOB_TIMEOUT", "24h", "a duration such as 90s, 10m or 24h", "for jobs that declare none"
    )
    history_days: int = setting(
        "MATINS_HISTORY_DAYS",
        90,
        "a whole number of days from 1 to 36500",
        "how long occurrences and runs are kept before they are rolled up",
        ge=1,
        le=36_500,
    )
    log_days: int = setting(
        "MATINS_LOG_DAYS",
        30,
        "a whole number of days from 1 to 36500",
        "how long captured output is kept",
        ge=1,
        le=36_500,
    )
    concurrency: int = setting(
        "MATINS_CONCURRENCY",
        default_concurrency,
        "a whole number from 1 to 1000",
        "how many job runs one daemon has at once",
        ge=1,
        le=1000,
    )
    executor: Annotated[Literal["local", "celery"], BeforeValidator(as_lower)] = setting(
        "MATINS_EXECUTOR", "local", "local or celery", "local (child processes) or celery"
    )
    log_format: Annotated[Literal["console", "json"] | None, BeforeValidator(as_lower)] = setting(
        "MATINS_LOG_FORMAT", None, "console or json", "console on a terminal, else json"
    )
    actor: str | None = setting(
        "MATINS_ACTOR", None, "a name", "who the audit says acted on the command line; the system's user by default"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(as_lower)] = setting(
        "MATINS_LOG_LEVEL", "info", "debug, info, warning or error", "the least important message logged"
    )

    host: str = setting("HOST", "127.0.0.1", "an address or host name", "where the admin server listens")
    port: int = setting(
        "PORT", 8080, "a port from 0 (any free one) to 65535", "the admin server's port", ge=0, le=65_535
    )
    jwt_public_key: SecretStr | None = setting(
        "JWT_PUBLIC_KEY",
        None,
        "a public key in PEM",
        "verifies a host application's RS256, ES256, EdDSA tokens",
    )
    jwt_jwks_url: str | None = setting(
        "JWT_JWKS_URL",
        None,
        "an http or https URL",
        "where a host application publishes its keys",
        pattern=r"^https?://\S+$",
    )
    jwt_secret: SecretStr | None = setting(
        "JWT_SECRET", None, "a secret", "signs and verifies admin tokens (HS256); 32 bytes at least"
    )
    jwt_audience: str | None = setting("JWT_AUDIENCE", None, "a text", "the aud that tokens must have, if set")
    jwt_issuer: str | None = setting("JWT_ISSUER", None, "a text", "the iss that tokens must have, if set")
    jwt_role_map: Annotated[dict[str, Role], NoDecode, BeforeValidator(as_role_map)] = setting(
        "JWT_ROLE_MAP",
        dict,
        "of the form theirs=OPERATOR,other=VIEWER (roles ADMIN, OPERATOR, VIEWER)",
        "what a host application's roles count as here",
    )

    @field_validator("app")
    @classmethod
    def _check_app(cls, value: str | None, info: ValidationInfo) -> str | None:
        return config_rules.app_reference(value, info.data["purpose"])

    @field_validator("database", mode="before")
    @classmethod
    def _default_database(cls, value: object, info: ValidationInfo) -> object:
        return config_rules.database_or_default(value, info.data["purpose"])

    @field_validator("lock_timeout_ms")
    @classmethod
    def _check_lock_timeout(cls, value: int, info: ValidationInfo) -> int:
        return config_rules.lock_timeout(value, info.data.get("heartbeat_interval_ms"))

    @field_validator("jwt_secret")
    @classmethod
    def _check_jwt_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return config_rules.jwt_secret(
            value,
            info.data["purpose"],
            production=info.data.get("environment") == _PRODUCTION,
            other_key=bool(info.data.get("jwt_public_key") or info.data.get("jwt_jwks_url")),
        )

    @property
    def production(self) -> bool:
        """Whether this is the production environment."""
        return self.environment == _PRODUCTION

    @property
    def lock_timeout_seconds(self) -> float:
        """How long a lock outlives its holder's last renewal."""
        return self.lock_timeout_ms / 1000

    @property
    def fencing_margin_seconds(self) -> float:
        """How long before its lease ends a worker has stopped its jobs, and how long after it others wait."""
        return min(5.0, self.lock_timeout_seconds / 6)

    @property
    def log_level_number(self) -> int:
        """The least important level logged, as `logging` counts."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]

    def app_reference(self) -> str:
        """Where the application is.

        Raises:
            ConfigError: nobody said.
        """
        if self.app is None:
            raise ConfigError([Fault(where="MATINS_APP", what="No application is named.", remedy=APP_REMEDY)])
        return self.app

    def log_format_for(self, stream: TextIO | None) -> Literal["console", "json"]:
        """How to word logs on `stream`; None where the process was given none."""
        return self.log_format or ("console" if stream is not None and stream.isatty() else "json")

    def warnings(self) -> list[Fault]:
        """What is allowed and yet probably not meant."""
        if self.lock_timeout_ms <= _LONG_LOCK_MS:
            return []
        return [
            Fault(
                where="LOCK_TIMEOUT_MS",
                what=f"{self.lock_timeout_ms} is above five minutes: that long a dead worker's runs wait.",
                remedy="A live worker renews its locks: this need not cover the longest job.",
            )
        ]


def load(purpose: Purpose = Purpose.READ, *, app: str | None = None, directory: Path | None = None) -> Settings:
    """The settings for `purpose`. `app` goes before the environment, pyproject.toml comes after it.

    Args:
        purpose: what they are for.
        app: the command line's word on where the application is.
        directory: where to start looking for pyproject.toml; the working directory by default.

    Raises:
        ConfigError: with every fault there is.
    """
    named = _named_app(app, directory)
    faults = list(named.faults)
    given: dict[str, Any] = {"_purpose": purpose}
    if named.app is not None:
        given["MATINS_APP"] = named.app
    try:
        settings = Settings(**given)
    except ValidationError as error:
        renamed = {} if os.environ.get("APP_ENV") else {"APP_ENV": "NODE_ENV"}
        renamed |= {"MATINS_APP": named.origin} if named.origin else {}
        # Without its cause: pydantic's own error holds the values, secrets included.
        raise ConfigError(faults + faults_of(error, Settings.model_fields, renamed)) from None
    if faults:
        raise ConfigError(faults)
    return settings


def essentials(app: str | None = None, directory: Path | None = None) -> tuple[str | None, str]:
    """Application and environment, for going on when other settings are at fault.

    The application is None when it is not named, or not in the form of a reference, which `load` reports.
    """
    named = _named_app(app, directory).app or os.environ.get("MATINS_APP")
    environment = next((text for name in _ENVIRONMENT if (text := os.environ.get(name, "").strip())), "development")
    try:
        return config_rules.app_reference(named, Purpose.READ), environment
    except ValueError:
        return None, environment


def mistyped() -> list[Fault]:
    """Variables of the environment that are not read but look as if they were meant to be."""
    return misspelt(os.environ, variables())


def variables() -> dict[str, str]:
    """Every environment variable that is read, with its meaning."""
    return {
        name: field.description or ""
        for field in Settings.model_fields.values()
        if field.description
        for name in names_of(field)
    }


def _named_app(app: str | None, directory: Path | None) -> ProjectApp:
    """The application that the command line or pyproject.toml names; neither when the environment goes before."""
    if app is not None:
        return ProjectApp(app=app, origin="--app")
    if os.environ.get("MATINS_APP"):
        return ProjectApp()
    return app_from_pyproject(directory or Path.cwd())
