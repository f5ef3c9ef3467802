"""Jobs that do what jobs do, and worse."""

# ruff: noqa: T201, BLE001
from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time

from stand_in import App

app = App()
log = logging.getLogger("shop")
kept = []


@app.job
def nothing():
    pass


@app.job
def where(ctx):
    return {"pid": os.getpid(), "parent": os.getppid(), "group": os.getpgid(0)}


@app.job
def describe(ctx):
    return {
        "schedule_id": ctx.schedule_id,
        "occurrence_id": ctx.occurrence_id,
        "run_id": ctx.run_id,
        "job": ctx.job,
        "fire_at": ctx.fire_at.isoformat(),
        "kind": ctx.kind,
        "is_catch_up": ctx.is_catch_up,
        "attempt": ctx.attempt,
        "fence": ctx.fence,
        "args": ctx.args,
        "last_success_at": ctx.last_success_at.isoformat(),
        "cancelled": ctx.cancelled,
        "soft_timeout": ctx.soft_timeout,
        "seconds_left": (ctx.deadline - ctx._line.clock.now()).total_seconds(),
    }


@app.job
def add(left, right=1):
    return left + right


@app.job
async def asynchronous(ctx):
    await asyncio.sleep(0)
    return "awaited"


@app.job
def generator():
    yield 1


# What goes wrong.


@app.job
def raises():
    raise ValueError("no such feed")


@app.job
def raises_nested():
    try:
        raises()
    except ValueError as error:
        raise RuntimeError("cannot go on") from error


@app.job
def exits(code):
    sys.exit(code)


@app.job
def interrupts_itself():
    raise KeyboardInterrupt


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("I will not say")


@app.job
def raises_mute():
    raise Mute


class Evil(BaseException):
    def __str__(self):
        sys.exit(3)

    __repr__ = __str__


@app.job
def raises_evil():
    raise Evil


@app.job
def raises_megabytes():
    raise ValueError("first" + "x\0\ud800" * 3_000_000 + "last")


@app.job
def recurses():
    recurses()


@app.job
def leaves_at_once(code):
    os._exit(code)


@app.job
def segfaults():
    print("about to")
    ctypes.string_at(0)


@app.job
def kills_itself():
    os.kill(os.getpid(), signal.SIGKILL)


@app.job
def closes_descriptors(ctx):
    os.closerange(0, 1000)
    time.sleep(60)


@app.job
def closes_descriptors_and_returns():
    os.closerange(0, 1000)
    return "unheard"


@app.job
def returns_unserialisable():
    return object()


@app.job
def returns_much(size):
    return "x" * size


@app.job
def returns_oddities():
    return {"nul\0": ["a\0b", "lone \ud800", "😀"], "deep": {"x": 1}}


@app.job
def returns_nan():
    return float("nan")


class Trap(dict):
    def items(self):
        raise SystemExit(1)


@app.job
def returns_trap():
    return Trap(a=1)


@app.job
def allocates():
    blocks = []
    while True:
        blocks.append(bytearray(10_000_000))


@app.job
def grows(size):
    kept.append(b"x" * size)


@app.job
def limit():
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


# Changes to the process.


@app.job
def forks_and_returns_twice():
    print("before")
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return "parent" if pid else "child"


@app.job
def forks_and_raises_twice():
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return "parent"
    raise RuntimeError("from the child")


@app.job
def upsets_everything(path):
    os.chdir(path)
    os.umask(0o777)
    os.environ["UPSET"] = "yes"
    del os.environ["PATH"]
    sys.setrecursionlimit(80)
    sys.path.insert(0, "/nowhere")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.setitimer(signal.ITIMER_REAL, 60)
    sys.stdout.close()
    sys.stderr = None
    return os.getpid()


@app.job
def condition():
    mask = os.umask(0)
    os.umask(mask)
    print("can print")
    return {
        "pid": os.getpid(),
        "directory": os.getcwd(),
        "umask": mask,
        "upset": os.environ.get("UPSET"),
        "path": "PATH" in os.environ,
        "recursion": sys.getrecursionlimit(),
        "nowhere": "/nowhere" in sys.path,
        "term_ignored": signal.getsignal(signal.SIGTERM) == signal.SIG_IGN,
        "int_ignored": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "masked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "timer": signal.getitimer(signal.ITIMER_REAL)[0],
    }


@app.job
def lowers_its_limits():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1024))
    resource.setrlimit(resource.RLIMIT_CPU, (100, resource.getrlimit(resource.RLIMIT_CPU)[1]))


@app.job
def limits():
    return [resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CPU)]


@app.job
def loses_its_directory(path):
    os.mkdir(path)
    os.chdir(path)
    os.rmdir(path)
    return os.getpid()


# Not stopping.


@app.job
def sleeps(ctx, seconds=60, report=True):
    if report:
        ctx.progress(0.5, "started")
    time.sleep(seconds)
    return "slept"


@app.job
def sleeps_quietly(seconds=60):
    time.sleep(seconds)


@app.job
async def sleeps_async(ctx):
    ctx.progress(None, "started")
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up")


@app.job
def cleans_up(ctx):
    ctx.progress(None, "started")
    try:
        time.sleep(60)
    finally:
        print("cleaned up", ctx.cancelled)


@app.job
def swallows_exceptions(ctx):
    ctx.progress(None, "started")
    while True:
        try:
            time.sleep(60)
        except Exception:
            print("not today")


@app.job
def looks(ctx):
    ctx.progress(None, "started")
    while not ctx.cancelled:
        time.sleep(0.01)
    return "stopped in good order"


@app.job
def ignores_sigterm(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.progress(None, "started")
    while True:
        time.sleep(60)


@app.job
def spins_in_c(ctx):
    ctx.progress(None, "started")
    sum(range(10**12))


@app.job
def stops_itself(ctx):
    ctx.progress(None, "started")
    os.kill(os.getpid(), signal.SIGSTOP)


@app.job
def mind_the_soft_timeout(ctx):
    while not ctx.soft_timeout:
        time.sleep(0.01)
    return "in time"


@app.job
def waits_for_child(ctx):
    ctx.progress(None, "started")
    subprocess.run(["sleep", "60"], check=False)


@app.job
def prints_for_ever(ctx):
    ctx.progress(None, "started")
    while True:
        print("on and on")


# What is left behind.


@app.job
def leaves_child(ctx):
    child = subprocess.Popen(["sleep", "60"])
    kept.append(child)
    return [os.getpid(), child.pid]


@app.job
def leaves_daemon(ctx):
    """A grandchild in a session of its own, adopted by whoever adopts orphans, that holds the pipes open."""
    script = "setsid sh -c 'echo $$; exec sleep 60' & wait $!"
    inner = f"import os, subprocess; os.fork() and os._exit(0); os.setsid(); subprocess.call({script!r}, shell=True)"
    subprocess.run([sys.executable, "-c", inner], check=True)
    return os.getpid()


@app.job
def leaves_comet():
    """A process that is always another one: it forks and ends, in a session of its own."""
    if os.fork():
        time.sleep(0.1)
        return
    os.setsid()
    while True:
        if os.fork():
            os._exit(0)


@app.job
def leaves_many(count):
    for _ in range(count):
        if not os.fork():
            os.setsid()
            time.sleep(60)
            os._exit(0)


@app.job
def leaves_thread():
    threading.Thread(target=time.sleep, args=(60,), name="straggler").start()
    return os.getpid()


@app.job
def leaves_daemon_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return os.getpid()


@app.job
def leaves_zombie():
    child = subprocess.Popen(["true"])
    kept.append(child)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return os.getpid()


# Output.


@app.job
def speaks(ctx):
    print("one")
    print("two", file=sys.stderr)
    log.info("three")
    ctx.log.debug("four")
    print("five")
    subprocess.run(["echo", "six"], check=True)
    print("seven, unfinished", end="")
    return "said"


@app.job
def writes_past_python():
    os.write(1, b"raw out\n")
    os.write(2, b"raw err\n")
    subprocess.run("echo child; echo child err >&2", shell=True, check=True)
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.fflush(None)


@app.job
def writes_oddities():
    os.write(1, b"bad \xff\xfe utf-8\nnul \0 here\n\x1b[31mred\x1b[0m\nwindows\r\n\n")
    print("lone \ud800")


@app.job
def prints_lines(count):
    for number in range(count):
        print("line", number)


@app.job
def prints_between(ctx):
    print("early")
    ctx.progress(None, "started")
    while not ctx.cancelled:
        time.sleep(0.01)


@app.job
def writes_without_newline(megabytes):
    block = b"x" * 1_000_000
    for _ in range(megabytes):
        os.write(1, block)


@app.job
def writes_gigabyte():
    block = (b"y" * 99 + b"\n") * 10_000
    for _ in range(1000):
        sys.stdout.buffer.write(block)


@app.job
def logs_badly():
    log.info("%d things", "many")
    log.error("with\ntwo lines")
    try:
        raises()
    except ValueError:
        log.exception("went wrong")


@app.job
def progresses(ctx):
    for step in range(1000):
        ctx.progress(step / 1000, f"step {step}")


@app.job
def progresses_and_waits(ctx):
    ctx.progress(2.0, "started")
    time.sleep(60)


@app.job
def environment(name):
    return os.environ.get(name)


@app.job
def descriptors():
    return sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))


@app.job
def kills_parent(ctx):
    ctx.progress(None, "started")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@app.job
def appends(path, word):
    with open(path, "a") as file:
        file.write(word + "\n")
