from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from matins.errors import AppLoadError, DefinitionError
from matins.execution.loading import LoadedApp, load_app
from matins.execution.loading_process import run_to_its_end

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
HEAD = "from matins import Matins, cron, every, shell\napp = Matins('shop')\n"

Load = Callable[..., LoadedApp]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads the given text as the module of an app."""
    monkeypatch.chdir(tmp_path)

    def load(source: str, *, ref: str = "shop.schedules:app", timeout_seconds: float = 30.0) -> LoadedApp:
        (tmp_path / "shop").mkdir(exist_ok=True)
        (tmp_path / "shop" / "schedules.py").write_text(dedent(source))
        return load_app(ref, environment="production", since=NOW, timeout_seconds=timeout_seconds)

    return load


def refused(load: Load, source: str, **options: object) -> AppLoadError:
    with pytest.raises(AppLoadError) as caught:
        load(source, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_an_app_comes_back_as_its_definitions(load: Load) -> None:
    source = """
        app.pool("db", limit=3)

        @app.job(tags=["feed"], timeout="10m", pool="db")
        def refresh(ctx): ...

        app.job(shell(["ls", "-l"]), name="list")
        app.schedule("one", cron("0 2 * * *", "Europe/London"), jobs="*", environments={"b", "a"}, args={"x": [1]})
        app.schedule("two", every(minutes=15), jobs=refresh, missed="run_once")
    """
    with load(HEAD + dedent(source)) as loaded:
        assert (loaded.app, loaded.pools, loaded.count) == ("shop", {"db": 3}, 2)
        assert list(loaded.jobs) == ["refresh", "list"]
        assert loaded.jobs["refresh"].timeout_seconds == 600
        assert loaded.jobs["refresh"].defined_at == "shop/schedules.py:6"
        assert loaded.jobs["list"].command == ("ls", "-l")
        one, two = loaded.schedules()
        assert (one.id, one.jobs, one.environments, one.args) == ("one", ("refresh", "list"), ("a", "b"), {"x": [1]})
        assert one.trigger == {"kind": "cron", "expression": "0 2 * * *", "tz": "Europe/London", "day_match": "or"}
        assert two.jobs == ("refresh",)


def test_schedules_can_be_gone_through_again_and_side_by_side(load: Load) -> None:
    source = HEAD + "app.job(shell('true'), name='j')\n"
    source += "for n in range(500):\n    app.schedule(f's{n}', every(minutes=n + 1), jobs='*', description='x' * n)\n"
    with load(source) as loaded:
        whole = [schedule.id for schedule in loaded.schedules()]
        assert whole == [f"s{n}" for n in range(500)]
        pairs = list(zip(loaded.schedules(), loaded.schedules(), strict=True))
        assert [(a.id, b.id) for a, b in pairs] == [(one, one) for one in whole]


def test_a_closed_app_holds_no_file(load: Load) -> None:
    before = len(os.listdir("/proc/self/fd"))
    loaded = load(HEAD)
    loaded.close()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(AppLoadError):
        load("raise ValueError")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_hash_tells_definitions_apart_and_not_loads_places_or_orders(load: Load) -> None:
    job = "app.job(shell('true'), name='j')\n"
    one, two = "app.schedule('one', every(minutes=1), jobs='j')\n", "app.schedule('two', every(minutes=2), jobs='j')\n"

    def hash_of(source: str) -> str:
        with load(HEAD + source) as loaded:
            return loaded.hash

    same = {hash_of(job + one + two), hash_of("\n\n" + job + two + one)}
    assert len(same) == 1
    assert len({*same, hash_of(job.replace("'true'", "'false'") + one + two), hash_of(job + one)}) == 3


def test_the_child_knows_the_environment(load: Load) -> None:
    with load("import os\nfrom matins import Matins\napp = Matins(os.environ['APP_ENV'])") as loaded:
        assert loaded.app == "production"


def test_an_attribute_may_lie_deeper(load: Load) -> None:
    source = HEAD + "class Config:\n    inner = app\n"
    with load(source, ref="shop.schedules:Config.inner") as loaded:
        assert loaded.app == "shop"


def test_what_the_module_prints_harms_nothing(load: Load) -> None:
    source = HEAD + "import sys\nfor _ in range(20_000):\n    print('x' * 100)\n    print('y' * 100, file=sys.stderr)\n"
    with load(source) as loaded:
        assert loaded.app == "shop"


def test_a_thread_that_never_ends_holds_nothing_up(load: Load) -> None:
    source = HEAD + "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    with load(source, timeout_seconds=20) as loaded:
        assert loaded.app == "shop"


def test_a_process_started_while_importing_is_killed_and_its_open_pipe_not_waited_for(load: Load) -> None:
    source = HEAD + "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
    source += "app.job(shell('true'), name=str(child.pid))\n"
    with load(source, timeout_seconds=20) as loaded:
        (pid,) = loaded.jobs
        assert is_gone(int(pid))


def is_gone(pid: int) -> bool:
    """Whether the process is dead: reaped, or waiting for whoever is init here to do so."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    "ref", ["shop.schedules", "shop.schedules:", ":app", "shop/schedules.py:app", "", "a b:app", "a..b:c"]
)
def test_what_is_no_reference_is_refused_before_anything_starts(load: Load, ref: str) -> None:
    error = refused(load, HEAD, ref=ref)
    assert repr(ref) in str(error)
    assert "package.module:attribute" in str(error)


def test_a_missing_module_is_named_with_the_directory_searched(load: Load, tmp_path: Path) -> None:
    error = refused(load, HEAD, ref="shpo.schedules:app")
    assert "'shpo.schedules:app'" in str(error)
    assert "No module named 'shpo'" in str(error)
    assert str(tmp_path) in str(error)


def test_a_missing_dependency_is_not_taken_for_a_missing_app(load: Load) -> None:
    error = refused(load, "import nosuchlibrary")
    assert "'nosuchlibrary'" in str(error)
    assert "Install it" in str(error)
    assert "shop/schedules.py:1" in str(error)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ValueError('no\\nway')", "ValueError: no way"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def broken(:", "shop/schedules.py:1"),
        ("class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E", "its message cannot be shown"),
        ("import os; os._exit(0)", "exited with code 0"),
        ("import os; os._exit(7)", "exited with code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os; os.closerange(3, 100)\n" + HEAD, "exited with code 1"),
        ("app = 5", "'app' is a int, not a Matins"),
        ("from matins import Matins\nschedules = Matins()", "no attribute 'app'"),
    ],
)
def test_whatever_the_module_does_instead_is_one_line(load: Load, source: str, says: str) -> None:
    error = refused(load, source)
    assert "'shop.schedules:app'" in str(error)
    assert says in str(error)


def test_a_traceback_of_the_users_code_alone_is_at_hand(load: Load) -> None:
    error = refused(load, "def inner():\n    raise ValueError('x')\ninner()")
    assert "schedules.py" in error.detail
    assert "in inner" in error.detail
    assert "load_child" not in error.detail
    assert "importlib" not in error.detail


def test_the_last_words_on_stderr_are_at_hand(load: Load) -> None:
    source = """
        import sys, os
        print("x" * 10_000_000, file=sys.stderr)
        print("the end", file=sys.stderr, flush=True)
        os._exit(1)
    """
    error = refused(load, source)
    assert error.detail.endswith("the end")
    assert len(error.detail) < 5000


def test_the_app_that_is_there_is_offered(load: Load) -> None:
    assert "'shop.schedules:schedules'" in str(refused(load, "from matins import Matins\nschedules = Matins()"))


def test_a_module_that_hangs_is_killed_and_says_where(load: Load) -> None:
    source = "import threading, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nthreading.Event().wait()"
    error = refused(load, source, timeout_seconds=2.5)
    assert "longer than 2.5 s" in str(error)
    assert "schedules.py" in error.detail


def test_faults_of_definitions_come_back_all_at_once(load: Load) -> None:
    source = HEAD + "app.schedule('a', cron('61 * * * *'), jobs='*')\napp.job(shell('true'), name='j', retries=-1)\n"
    with pytest.raises(DefinitionError) as caught:
        load(source)
    assert [fault.where for fault in caught.value.faults] == ["shop/schedules.py:4", "shop/schedules.py:3"]


def test_a_trigger_error_raised_while_importing_is_a_fault_at_its_line(load: Load) -> None:
    with pytest.raises(DefinitionError) as caught:
        load("from matins.domain.triggers import cron\n\ncron('61 * * * *')\n")
    assert [fault.where for fault in caught.value.faults] == ["shop/schedules.py:3"]


OWN = (
    HEAD
    + dedent(
        """
        from datetime import datetime, timedelta, UTC
        app.job(shell('true'), name='j')
        class Own:
            def next_after(self, instant):
                {body}
        app.schedule('own', Own(), jobs='*')
        """
    ).lstrip()
)


def test_a_users_own_trigger_comes_back_with_its_next_fires(load: Load) -> None:
    with load(OWN.format(body="return instant + timedelta(days=1)")) as loaded:
        (schedule,) = loaded.schedules()
    assert schedule.trigger["type"] == "shop.schedules:Own"
    assert schedule.trigger["fires"][0] == (NOW + timedelta(days=1)).isoformat()
    assert len(schedule.trigger["fires"]) == 100


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ValueError('x')", "raised ValueError: x"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("return datetime(2030, 1, 1)", "no time zone"),
        ("return instant", "not later"),
        ("return 'soon'", "not a datetime"),
        ("while True: pass", "took longer than 2 s"),
    ],
)
def test_a_users_own_trigger_that_misbehaves_is_a_fault_of_its_schedule(load: Load, body: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load(OWN.format(body=body))
    (fault,) = caught.value.faults
    assert says in fault.what
    assert fault.what.startswith("schedule 'own': ")
    assert fault.where == "shop/schedules.py:8"


@pytest.mark.slow
def test_ten_thousand_schedules_cost_the_parent_no_memory(load: Load) -> None:
    source = HEAD + "app.job(shell('true'), name='j')\n"
    source += "for n in range(10_000):\n    app.schedule(f's{n}', cron(f'{n % 60} * * * *'), jobs='*')\n"
    page = os.sysconf("SC_PAGE_SIZE")
    before = int(Path("/proc/self/statm").read_text().split()[1]) * page
    with load(source) as loaded:
        assert sum(1 for _ in loaded.schedules()) == 10_000
        assert int(Path("/proc/self/statm").read_text().split()[1]) * page - before < 15 << 20


def test_a_child_that_closed_its_stderr_is_still_waited_for() -> None:
    code = "import os, threading; os.close(2); threading.Event().wait(0.3); os._exit(4)"
    ending = run_to_its_end([sys.executable, "-c", code], environment={}, descriptors=(), timeout_seconds=20)
    assert (ending.returncode, ending.timed_out) == (4, False)
