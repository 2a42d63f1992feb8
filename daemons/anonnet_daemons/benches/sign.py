"""How many blind signatures a second, beside `openssl speed`, which times OpenSSL's bare private operation.

Both run in turns, so that whatever else the machine does hits both. One thread is compared by the user's CPU seconds,
which `openssl speed` counts of itself; several threads by the wall clock (`-elapsed`), where waiting for the GIL or
for a lock would show. A signature here is `SecretKey.sign`: reading, the private operation, s^e == z, writing.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from statistics import median, quantiles
from typing import TypeVar

from anonnet.crypto.blind import Method, SecretKey

T = TypeVar("T")

BITS = 2048
ROUNDS = 3
SPEED_SECONDS = 3  # for each kind of operation; `openssl speed` times verification as well, and takes twice as long
COUNT_MIN = 100
MESSAGES = 200
SPEED_LINE = re.compile(rf"^rsa +{BITS} bits(?: +[\d.]+s)+ +([\d.]+)", re.MULTILINE)  # times, then rates: signing first


def run(count: int, threads: int, speed_seconds: int = SPEED_SECONDS) -> dict[str, object]:
    """Sign `count` messages in one thread, and as many in each of `threads`; at least COUNT_MIN.

    Rates are medians over the rounds, per second; p50, p99 and CPU are milliseconds of one signature in one thread;
    `parts_us` is where a signature's CPU time goes, in microseconds. What needs the `openssl` tool is None without it.
    """
    load = os.getloadavg()[0]
    secret = SecretKey.generate(Method.PSS_DETERMINISTIC, BITS)
    messages = blinded_messages(secret.public.modulus)
    each = max(count, COUNT_MIN) // ROUNDS
    wall, cpu, user, speed, wall_together, speed_together = [], [], [], [], [], []
    for _ in range(ROUNDS):
        speed.append(openssl_speed(speed_seconds))
        user_before, cpu_before = user_seconds(), time.thread_time()
        wall += alone(secret, messages, each)
        cpu.append((time.thread_time() - cpu_before) / each)
        user.append(each / (user_seconds() - user_before))
        speed_together.append(openssl_speed(speed_seconds, "-elapsed", "-multi", str(threads)))
        wall_together.append(threads * each / together(threads, secret, messages, each))
    centiles = quantiles(wall, n=100)
    return {
        "per_second": round(len(wall) / sum(wall)),
        "p50_ms": round(centiles[49] * 1000, 3),
        "p99_ms": round(centiles[98] * 1000, 3),
        "server_cpu_ms_per_op": round(median(cpu) * 1000, 4),
        "engine": secret.engine,
        "openssl_speed_per_second": middle(speed),
        "ratio": ratio(user, speed),
        "threads": threads,
        "together_per_second": round(median(wall_together)),
        "openssl_speed_together_per_second": middle(speed_together),
        "together_ratio": ratio(wall_together, speed_together),
        "parts_us": parts(secret, messages),
        "load": (round(load, 2), round(os.getloadavg()[0], 2)),
    }


def blinded_messages(modulus: int) -> list[bytes]:
    """Return what consumers might send: uniform below n, each as long as n."""
    size = BITS // 8
    return [(int.from_bytes(os.urandom(size + 16), "big") % modulus).to_bytes(size, "big") for _ in range(MESSAGES)]


def openssl_speed(seconds: int, *options: str) -> float | None:
    """Return the private operations per second that the `openssl` tool reports; None without the tool or its line."""
    tool = shutil.which("openssl")
    if tool is None:
        return None
    command = [tool, "speed", "-seconds", str(seconds), *options, f"rsa{BITS}"]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    return rate_in(done.stdout)


def rate_in(report: str) -> float | None:
    """Return the rate of private operations that a report of `openssl speed` ends with; None if it has no such line."""
    found = SPEED_LINE.search(report)
    return float(found[1]) if found else None


def user_seconds() -> float:
    """Return the CPU seconds that this process has spent outside the kernel."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def alone(secret: SecretKey, messages: list[bytes], count: int) -> list[float]:
    """Sign in this thread: the seconds of each signature by the clock."""
    times = []
    for number in range(count):
        before = time.perf_counter()
        secret.sign(messages[number % MESSAGES])
        times.append(time.perf_counter() - before)
    return times


def together(number: int, secret: SecretKey, messages: list[bytes], count: int) -> float:
    """Sign `count` in each of some threads: the seconds until the last one is done."""
    threads = [threading.Thread(target=alone, args=(secret, messages, count)) for _ in range(number)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def parts(secret: SecretKey, messages: list[bytes]) -> dict[str, float]:
    """Return the CPU microseconds of a signature, of its private operation, of its check, and of what is left."""
    numbers = [int.from_bytes(message, "big") for message in messages]
    whole = cpu_us(secret.sign, messages)
    operation, check = cpu_us(secret.raw_root, numbers), cpu_us(secret.raw_power, numbers)
    rest = round(whole - operation - check, 1)
    return {"sign": whole, "private operation": operation, "s^e == z": check, "rest": rest}


def cpu_us(call: Callable[[T], object], over: Sequence[T]) -> float:
    """Return the CPU microseconds of one call, in the best of some passes."""
    passes = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for each in over:
            call(each)
        passes.append(time.thread_time() - started)
    return round(min(passes) / len(over) * 1e6, 1)


def middle(rates: list[float | None]) -> float | None:
    """Return the median; None if one is missing."""
    known = [rate for rate in rates if rate is not None]
    return median(known) if len(known) == len(rates) else None


def ratio(ours: list[float], theirs: list[float | None]) -> float | None:
    """Return the median of the rounds' own ratios; None where the tool said nothing."""
    pairs = zip(ours, theirs, strict=True)
    found = middle([one / other if other else None for one, other in pairs])
    return None if found is None else round(found, 3)
