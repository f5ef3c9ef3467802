from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import matins
from matins import Backoff, Matins, MissedPolicy, OnLost, OverlapPolicy, at, cron, every, shell, tag
from matins.domain.schedule import ScheduleDefinition
from matins.domain.states import Isolation, OnDoubt
from matins.domain.triggers import from_data
from matins.domain.triggers.cron import Cron
from matins.errors import DefinitionError, Fault, NotFoundError, TriggerError

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
NIGHTLY = cron("0 2 * * *")


def app_with_jobs() -> Matins:
    app = Matins()
    app.job(shell("true"), name="first", tags=["feed", "fast"])
    app.job(shell("true"), name="second", tags=["match"])
    app.job(shell("true"), name="third", tags="feed")
    return app


def only(app: Matins) -> Fault:
    faults = app.faults()
    assert len(faults) == 1, faults
    assert "\n" not in str(faults[0])
    return faults[0]


def scheduled(app: Matins, *args: Any, **options: Any) -> ScheduleDefinition:
    app.schedule("one", *(args or (NIGHTLY,)), **options)
    (schedule,) = app.definitions(NOW).schedules
    return schedule


def test_a_function_is_declared_with_and_without_parentheses_and_stays_itself() -> None:
    app = Matins()

    @app.job
    def plain() -> str:
        return "plain"

    @app.job()
    def called() -> str:
        return "called"

    @app.job(name="renamed", retries=3)
    async def coroutine() -> None: ...

    assert plain() == "plain"
    assert called() == "called"
    assert list(app.definitions(NOW).jobs) == ["plain", "called", "renamed"]
    assert app.get_job("renamed").function is coroutine


def test_every_option_of_a_job_is_read() -> None:
    app = Matins()
    app.pool("db", limit=2)

    @app.job(
        name="n",
        tags={"b", "a"},
        description="d",
        timeout="10m",
        soft_timeout=timedelta(minutes=9),
        kill_after=5,
        retries=3,
        backoff="30s",
        on_lost="fail",
        on_doubt="continue",
        isolation="fresh",
        memory_limit="512MB",
        pool="db",
        priority=-5,
    )
    def function() -> None: ...

    job = app.definitions(NOW).jobs["n"]
    assert job.tags == ("a", "b")
    assert (job.description, job.pool, job.priority, job.retries) == ("d", "db", -5, 3)
    assert (job.timeout_seconds, job.soft_timeout_seconds, job.kill_after_seconds) == (600, 540, 5)
    assert job.backoff == Backoff(initial_seconds=30)
    assert (job.on_lost, job.on_doubt, job.isolation) == (OnLost.FAIL, OnDoubt.CONTINUE, Isolation.FRESH)
    assert job.memory_limit_bytes == 512 << 20
    assert job.command is None
    assert app.definitions(NOW).pools == {"db": 2}
    assert type(job).from_data(job.to_data()) == job


def test_a_lost_run_is_retried_by_default_where_there_are_retries() -> None:
    app = Matins()
    app.add_job(shell("true"), name="once")
    app.add_job(shell("true"), name="thrice", retries=2)
    jobs = app.definitions(NOW).jobs
    assert jobs["once"].on_lost is OnLost.FAIL
    assert jobs["thrice"].on_lost is OnLost.RETRY


def test_a_jobs_description_is_its_docstrings_first_line() -> None:
    app = Matins()

    @app.job
    def documented() -> None:
        """Fetch every feed.

        At length.
        """

    assert app.get_job("documented").definition.description == "Fetch every feed."


def test_the_context_is_taken_by_a_parameter_named_ctx() -> None:
    app = Matins()
    app.add_job(lambda ctx: None, name="yes")
    app.add_job(lambda *, since=None, ctx: None, name="by keyword")
    app.add_job(lambda context=None: None, name="no")
    app.add_job(lambda **ctx: None, name="not the rest")
    taken = {name: app.get_job(name).takes_context for name in ("yes", "by keyword", "no", "not the rest")}
    assert taken == {"yes": True, "by keyword": True, "no": False, "not the rest": False}


@pytest.mark.parametrize(
    ("written", "command"), [("pg_dump shop | gzip", "pg_dump shop | gzip"), (["ls", "-l"], ("ls", "-l"))]
)
def test_a_shell_command_is_a_job(written: Any, command: Any) -> None:
    app = Matins()
    backup = app.job(shell(written), name="backup")
    assert app.get_job("backup").definition.command == command
    assert app.get_job("backup").function is None
    assert scheduled(app, NIGHTLY, jobs=backup).jobs == ("backup",)


def test_a_job_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="'secnd'") as caught:
        app_with_jobs().get_job("secnd")
    assert "'second'" in str(caught.value)


def generator() -> Any:
    yield


@pytest.mark.parametrize(
    ("declare", "what"),
    [
        (lambda app: app.job(shell("true")), "name is missing"),
        (lambda app: app.job(lambda: None), "name is missing"),
        (lambda app: app.job(functools.partial(print)), "name is missing"),
        (lambda app: app.job(shell("true"), name=""), "is empty"),
        (lambda app: app.job(shell("true"), name="a/b"), "slash"),
        (lambda app: app.job(shell("true"), name="x" * 201), "201 characters"),
        (lambda app: app.job(shell("true"), name=5), "is not text"),
        (lambda app: app.job(shell(""), name="j"), "command is empty"),
        (lambda app: app.job(shell([]), name="j"), "is not a command"),
        (lambda app: app.job(shell(["ls", 5]), name="j"), "is not a command"),
        (lambda app: app.job(shell(5), name="j"), "is not a command"),
        (lambda app: app.job(5, name="j"), "neither a function nor shell"),
        (lambda app: app.job(generator), "generator function"),
        (lambda app: app.job(shell("true"), name="j", timeout="soon"), "timeout 'soon' is not a duration"),
        (lambda app: app.job(shell("true"), name="j", timeout=0), "timeout 0 is no time"),
        (lambda app: app.job(shell("true"), name="j", timeout=-1), "timeout -1 is negative"),
        (lambda app: app.job(shell("true"), name="j", timeout=5, soft_timeout=5), "not shorter"),
        (lambda app: app.job(shell("true"), name="j", retries=-1), "retries -1"),
        (lambda app: app.job(shell("true"), name="j", retries="3"), "retries '3'"),
        (lambda app: app.job(shell("true"), name="j", retries=True), "retries True"),
        (lambda app: app.job(shell("true"), name="j", retries=10**6), "from 0 to 1000"),
        (lambda app: app.job(shell("true"), name="j", backoff="x"), "backoff 'x'"),
        (lambda app: app.job(shell("true"), name="j", backoff=Backoff(factor=0.5)), "not usable"),
        (lambda app: app.job(shell("true"), name="j", backoff=Backoff(initial_seconds=-1)), "not usable"),
        (lambda app: app.job(shell("true"), name="j", on_lost="retyr"), "on_lost 'retyr' is not known"),
        (lambda app: app.job(shell("true"), name="j", on_doubt=[]), "on_doubt []"),
        (lambda app: app.job(shell("true"), name="j", isolation="cold"), "isolation 'cold'"),
        (lambda app: app.job(shell("true"), name="j", memory_limit="lots"), "memory_limit 'lots'"),
        (lambda app: app.job(shell("true"), name="j", pool="db"), "no pool 'db'"),
        (lambda app: app.job(shell("true"), name="j", priority=1.5), "priority 1.5"),
        (lambda app: app.job(shell("true"), name="j", tags=5), "tags 5"),
        (lambda app: app.job(shell("true"), name="j", tags=["a", 5]), "tags: 5"),
        (lambda app: app.job(shell("true"), name="j", tags={"a": 1}), "tags {'a': 1}"),
        (lambda app: app.job(shell("true"), name="j", description="\0"), "cannot be stored"),
        (lambda app: app.job(shell("true"), name="j", timout=5), "no option 'timout'"),
        (lambda app: app.job(dict.update, name="j"), "parameters cannot be read"),
        (lambda app: app.pool("db", limit=0), "limit 0"),
        (lambda app: app.pool("", limit=1), "is empty"),
        (lambda app: (app.pool("db", limit=1), app.pool("db", limit=1)), "declared twice"),
        (lambda app: (app.job(shell("a"), name="j"), app.job(shell("b"), name="j")), "declared twice, first at"),
    ],
)
def test_a_faulty_job_or_pool_raises_nothing_and_is_one_fault(declare: Callable[[Matins], Any], what: str) -> None:
    app = Matins()
    declare(app)
    fault = only(app)
    assert what in fault.what
    assert Path(fault.where.rpartition(":")[0]).name == "test_app.py"


def test_a_faulty_app_name_is_a_fault() -> None:
    assert "''" in only(Matins("")).what
    assert "101 characters" in only(Matins("x" * 101)).what


def test_a_positional_only_parameter_is_a_fault() -> None:
    app = Matins()

    @app.job
    def job(since: str, /) -> None: ...

    assert "'since' is positional only" in only(app).what


def test_every_option_of_a_schedule_is_read() -> None:
    schedule = scheduled(
        app_with_jobs(),
        every(minutes=15),
        jobs="*",
        name="Feeds",
        description="Fetch every feed",
        args={"deep": (1, 2)},
        environments={"production", "acceptance"},
        missed="run_all",
        grace="2m",
        catch_up_window="1d",
        catch_up_limit=5,
        start_within=30,
        overlap=OverlapPolicy.BUFFER_ONE,
        buffer_limit=7,
        jitter="10s",
        timeout="1h",
        enabled=True,
        parallel=2,
        stop_on_failure=True,
    )
    assert schedule == ScheduleDefinition.from_data(schedule.to_data())
    assert from_data(schedule.trigger) == every(minutes=15)
    assert (schedule.name, schedule.description) == ("Feeds", "Fetch every feed")
    assert schedule.args == {"deep": [1, 2]}
    assert schedule.environments == ("acceptance", "production")
    assert (schedule.missed, schedule.overlap) == (MissedPolicy.RUN_ALL, OverlapPolicy.BUFFER_ONE)
    assert (schedule.grace_seconds, schedule.catch_up_window_seconds, schedule.catch_up_limit) == (120, 86400, 5)
    assert (schedule.start_within_seconds, schedule.buffer_limit, schedule.jitter_seconds) == (30, 7, 10)
    assert (schedule.timeout_seconds, schedule.parallel) == (3600, 2)
    assert (schedule.enabled, schedule.stop_on_failure) == (True, True)


def test_a_schedule_needs_no_more_than_a_trigger_and_jobs_and_arrives_disabled() -> None:
    schedule = scheduled(app_with_jobs(), jobs="*")
    assert not schedule.enabled
    assert schedule.environments == ()
    assert (schedule.missed, schedule.overlap) == (MissedPolicy.SKIP, OverlapPolicy.SKIP)


@pytest.mark.parametrize(
    ("selection", "names", "words"),
    [
        ("*", ("first", "second", "third"), "*"),
        ("second", ("second",), "second"),
        (["third", "first", "third"], ("third", "first"), "third, first"),
        (("second",), ("second",), "second"),
        ({"tag": "feed"}, ("first", "third"), "tag:feed"),
        (tag("match"), ("second",), "tag:match"),
    ],
)
def test_jobs_are_selected_by_name_by_tag_or_all(selection: Any, names: tuple[str, ...], words: str) -> None:
    schedule = scheduled(app_with_jobs(), jobs=selection)
    assert schedule.jobs == names
    assert schedule.selection == words


def test_jobs_are_selected_by_their_functions_even_when_declared_later() -> None:
    app = Matins()

    def late() -> None: ...

    app.schedule("one", NIGHTLY, jobs=[late])
    app.add_job(late, name="by another name")
    assert app.definitions(NOW).schedules[0].jobs == ("by another name",)


def test_an_id_and_a_trigger_may_be_given_by_name() -> None:
    app = app_with_jobs()
    app.schedule(id="one", trigger=NIGHTLY, jobs="*")
    assert [schedule.id for schedule in app.definitions(NOW).schedules] == ["one"]


def test_one_environment_may_be_named_alone() -> None:
    assert scheduled(app_with_jobs(), jobs="*", environments="production").environments == ("production",)


@pytest.mark.parametrize(
    ("trigger", "options", "what"),
    [
        (NIGHTLY, {"jobs": "frist"}, "no job 'frist', so it selects nothing"),
        (NIGHTLY, {"jobs": tag("fed")}, "tag 'fed' are none, so it selects nothing"),
        (NIGHTLY, {"jobs": {"tag": "fed"}}, "selects nothing"),
        (NIGHTLY, {"jobs": {"tag": 5}}, "selects nothing"),
        (NIGHTLY, {"jobs": {"name": "first"}}, "is not a selection"),
        (NIGHTLY, {"jobs": []}, "selects nothing"),
        (NIGHTLY, {"jobs": print}, "'print' is not a job of this app"),
        (NIGHTLY, {"jobs": 5}, "is not a job"),
        (NIGHTLY, {}, "jobs is missing"),
        (NIGHTLY, {"jobs": "*", "environments": {"production": True}}, "environments"),
        (NIGHTLY, {"jobs": "*", "environments": ["a", None]}, "environments: None"),
        (NIGHTLY, {"jobs": "*", "environments": 5}, "environments 5"),
        (NIGHTLY, {"jobs": "*", "grace": "soon"}, "grace 'soon'"),
        (NIGHTLY, {"jobs": "*", "jitter": -1}, "jitter -1"),
        (NIGHTLY, {"jobs": "*", "start_within": 0}, "start_within 0"),
        (NIGHTLY, {"jobs": "*", "missed": "run"}, "missed 'run' is not known"),
        (NIGHTLY, {"jobs": "*", "overlap": "queue"}, "overlap 'queue' is not known"),
        (NIGHTLY, {"jobs": "*", "catch_up_limit": -1}, "catch_up_limit -1"),
        (NIGHTLY, {"jobs": "*", "parallel": 0}, "parallel 0"),
        (NIGHTLY, {"jobs": "*", "enabled": "yes"}, "enabled 'yes'"),
        (NIGHTLY, {"jobs": "*", "name": 5}, "name 5"),
        (NIGHTLY, {"jobs": "*", "name": "x" * 201}, "201 characters"),
        (NIGHTLY, {"jobs": "*", "description": "\ud800"}, "cannot be stored"),
        (NIGHTLY, {"jobs": "*", "args": [1]}, "args [1]"),
        (NIGHTLY, {"jobs": "*", "args": {"when": NOW}}, "args cannot be written as JSON"),
        (NIGHTLY, {"jobs": "*", "args": {"x": float("nan")}}, "args cannot be written as JSON"),
        (NIGHTLY, {"jobs": "*", "args": {"x": "\ud800"}}, "args cannot be written as JSON"),
        (NIGHTLY, {"jobs": "*", "args": {"x": "\0"}}, "NUL"),
        (NIGHTLY, {"jobs": "*", "args": {"x": "x" * 70_000}}, "at most 65536"),
        (NIGHTLY, {"jobs": "*", "args": {5: 1}}, "args {5: 1}"),
        (NIGHTLY, {"jobs": "*", "enviroments": "production"}, "no option 'enviroments'"),
        (cron("61 * * * *"), {"jobs": "*"}, "'61 * * * *': minute '61'"),
        (cron("0 0 * * *", tz="Europe/Lodnon"), {"jobs": "*"}, "'Europe/Lodnon'"),
        (every(minutes=0), {"jobs": "*"}, "every()"),
        (at("tomorrow"), {"jobs": "*"}, "'tomorrow'"),
        ("0 2 * * *", {"jobs": "*"}, "'0 2 * * *' is not a trigger"),
        (Cron, {"jobs": "*"}, "is not a trigger"),
        (None, {"jobs": "*"}, "None is not a trigger"),
    ],
)
def test_a_faulty_schedule_raises_nothing_and_is_one_fault(trigger: Any, options: dict[str, Any], what: str) -> None:
    app = app_with_jobs()
    app.schedule("one", trigger, **options)
    fault = only(app)
    assert fault.what.startswith("schedule 'one': ")
    assert what in fault.what
    assert Path(fault.where.rpartition(":")[0]).name == "test_app.py"


@pytest.mark.parametrize(
    ("schedule_id", "what"),
    [
        ("x" * 51, "has 51 characters; at most 50"),
        ("", "is empty"),
        (5, "not text"),
        ("a/b", "slash"),
        ("a\n", "control"),
    ],
)
def test_a_faulty_id_is_a_fault(schedule_id: Any, what: str) -> None:
    app = app_with_jobs()
    app.schedule(schedule_id, NIGHTLY, jobs="*")
    assert what in only(app).what


def test_an_id_of_fifty_characters_is_none() -> None:
    app = app_with_jobs()
    app.schedule("x" * 50, NIGHTLY, jobs="*")
    assert app.faults() == []


def test_an_id_declared_twice_is_a_fault_that_tells_both_places() -> None:
    app = app_with_jobs()
    app.schedule("one", NIGHTLY, jobs="*")
    app.schedule("one", NIGHTLY, jobs="*")
    fault = only(app)
    assert "declared twice, first at" in fault.what
    first, second = fault.what.rpartition(" at ")[2], fault.where
    assert int(second.rpartition(":")[2]) == int(first.rstrip(".").rpartition(":")[2]) + 1


def test_a_selection_of_all_from_no_jobs_is_a_fault() -> None:
    app = Matins()
    app.schedule("one", NIGHTLY, jobs="*")
    assert "selects nothing" in only(app).what


def test_an_argument_that_a_job_wants_and_nobody_gives_is_a_fault() -> None:
    app = Matins()

    @app.job
    def report(ctx: Any, since: str, depth: int = 1) -> None: ...

    app.schedule("good", NIGHTLY, jobs=report, args={"since": "yesterday", "unknown": 1})
    app.schedule("bad", NIGHTLY, jobs=report, args={"depth": 2})
    assert "schedule 'bad': job 'report' wants the argument 'since'" in only(app).what


def test_all_faults_come_at_once_each_with_its_own_line() -> None:
    app = Matins()
    app.job(shell("true"), name="j", retries=-1, timeout="x")
    app.schedule("a" * 51, cron("bad"), jobs="k")
    with pytest.raises(DefinitionError) as caught:
        app.definitions(NOW)
    assert len(caught.value.faults) == 5
    assert caught.value.faults == app.faults()
    lines = {fault.where.rpartition(":")[2] for fault in caught.value.faults}
    assert len(lines) == 2


def test_a_fault_stands_at_the_line_of_its_declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "\n\napp.schedule('one', 5, jobs='*')\n@app.job(retries=-1)\ndef f(): ...\n"
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    app = app_with_jobs()
    exec(compile(source, str(tmp_path / "shop" / "schedules.py"), "exec"), {"app": app, "__name__": "shop"})
    assert {fault.where for fault in app.faults()} == {"shop/schedules.py:3", "shop/schedules.py:4"}


def test_a_faulty_trigger_raises_its_fault_when_used() -> None:
    for use in (lambda t: t.next_after(NOW), lambda t: t.describe(), lambda t: t.to_data()):
        with pytest.raises(TriggerError, match="minute '61'"):
            use(cron("61 * * * *"))


class Hourly:
    def next_after(self, instant: datetime) -> datetime | None:
        return instant + timedelta(hours=1)

    def describe(self) -> str:
        return "An hour later"


class Backwards(Cron):
    """Of our class by descent, not by behaviour."""

    def next_after(self, instant: datetime) -> datetime | None:
        return instant - timedelta(hours=1)


class Raising:
    def next_after(self, instant: datetime) -> datetime | None:
        raise RuntimeError("the moon\nis down")


def test_a_users_own_trigger_becomes_its_next_hundred_fires() -> None:
    schedule = scheduled(app_with_jobs(), Hourly(), jobs="*")
    assert schedule.trigger["kind"] == "custom"
    assert schedule.trigger["type"].endswith(":Hourly")
    assert schedule.trigger["description"] == "An hour later"
    assert schedule.trigger["fires"] == [(NOW + timedelta(hours=n)).isoformat() for n in range(1, 101)]
    assert schedule.trigger["complete"] is False


def test_a_users_own_trigger_keeps_its_schedules_hash_while_time_passes() -> None:
    hashes = set()
    for since in (NOW, NOW + timedelta(days=3)):
        app = app_with_jobs()
        app.schedule("one", Hourly(), jobs="*")
        hashes.add(app.definitions(since).schedules[0].hash)
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("trigger", "what"),
    [(Raising(), "raised RuntimeError: the moon is down"), (Backwards(expression="* * * * *"), "not later")],
)
def test_a_users_own_trigger_that_fails_is_a_fault_of_its_schedule(trigger: Any, what: str) -> None:
    app = app_with_jobs()
    app.schedule("one", trigger, jobs="*")
    with pytest.raises(DefinitionError) as caught:
        app.definitions(NOW)
    (fault,) = caught.value.faults
    assert what in fault.what
    assert "\n" not in fault.what


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import matins, sys; print([m for m in ('sqlalchemy', 'pydantic', 'typer', 'asyncio') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_version_is_the_installed_one() -> None:
    assert matins.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="nonsense"):
        _ = matins.nonsense
