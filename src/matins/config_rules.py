"""What settings may be left out and which contradict each other, given what they are loaded for.

Each rule answers with the value to use, or raises `Refusal`.
"""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import SecretStr

from matins.database_url import Refusal

APP_REMEDY = (
    "Pass --app package.module:attribute, set MATINS_APP, "
    'or put app = "package.module:attribute" under [tool.matins] in pyproject.toml.'
)
DEFAULT_DATABASE_URL = "sqlite:///matins.db"
HEARTBEATS_PER_LOCK = 3
LEAST_SECRET_BYTES = 32

_APP_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_hex(32))"'


class Purpose(StrEnum):
    """What settings are loaded for."""

    READ = "read"
    CHECK = "check"
    UP = "up"
    DAEMON = "daemon"
    WEB = "web"

    @property
    def needs_app(self) -> bool:
        """Whether the user's application must be named."""
        return self in (Purpose.CHECK, Purpose.UP, Purpose.DAEMON)

    @property
    def needs_database(self) -> bool:
        """Whether DATABASE_URL must be set: else daemon and server, each alone, would have a private file."""
        return self in (Purpose.DAEMON, Purpose.WEB)

    @property
    def serves(self) -> bool:
        """Whether the admin server is started."""
        return self in (Purpose.UP, Purpose.WEB)


def app_reference(value: str | None, purpose: Purpose) -> str | None:
    """An application is named where one is needed, and the name has the right form."""
    if value is None and purpose.needs_app:
        raise Refusal("No application is named.", APP_REMEDY)
    if value is not None and not _APP_REFERENCE.fullmatch(value):
        raise ValueError(value)
    return value


def database_or_default(value: object, purpose: Purpose) -> object:
    """The database as given, else the default file where that is safe."""
    if value is None and purpose.needs_database:
        raise Refusal(
            "It is not set, and a daemon and a server started alone must share one database.",
            "Set it, for example to postgresql://user:password@host/name, or start both with matins up.",
        )
    return DEFAULT_DATABASE_URL if value is None else value


def lock_timeout(value: int, heartbeat: int | None) -> int:
    """A lock outlives two late heartbeats; None for the heartbeat means that it is at fault itself."""
    least = HEARTBEATS_PER_LOCK * (heartbeat or 0)
    if value < least:
        raise Refusal(
            f"{value} is less than three heartbeats of {heartbeat} (HEARTBEAT_INTERVAL_MS), "
            "so a late one would cost a worker its running jobs.",
            f"Set it to at least {least}, or shorten the heartbeat.",
        )
    return value


def jwt_secret(value: SecretStr | None, purpose: Purpose, *, production: bool, other_key: bool) -> SecretStr | None:
    """The secret is there where it is needed, long enough where it is used, and the only key.

    A daemon alone does not look at it: other programs read a variable of this name too.
    """
    if value is None:
        if purpose.serves and production and not other_key:
            remedy = f"Set it to 32 random bytes or more, made by: {_HOW_TO_MAKE_ONE}"
            raise Refusal("It is not set, and in production the admin server needs it.", remedy)
        return None
    if not purpose.serves and purpose is not Purpose.CHECK:
        return value
    if len(value.get_secret_value().encode()) < LEAST_SECRET_BYTES:
        raise Refusal("It is shorter than 32 bytes.", f"Use 32 random bytes or more, made by: {_HOW_TO_MAKE_ONE}")
    if other_key:
        raise Refusal(
            "It is set beside JWT_PUBLIC_KEY or JWT_JWKS_URL, and tokens are verified by one kind of key.",
            "Keep one of the three.",
        )
    return value
