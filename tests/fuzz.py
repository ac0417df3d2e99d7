"""Fuzzing of everything that reads a file.

    python -m tests.fuzz --minutes 5                     every reader in turn
    python -m tests.fuzz --only manifest --attempt 17    one attempt again, with its traceback

Each attempt damages a valid file and reads it: that must succeed or raise an `ArrayenhError`. A
process of its own does so, with little memory, and is ended where it takes too long.
"""

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from arrayenh.errors import ArrayenhError
from tests.damage import damaged
from tests.loaders import LOADERS

OK, REFUSED = "ok", "refused"
MEMORY = 4 << 30  # bytes of data of the process, most of them taken by libraries
START_S, ATTEMPT_S = 300, 30


class Bench:
    """Valid files in a folder, damaged and read again and again."""

    def __init__(self, folder, seed):
        self.folder, self.seed, self.valid = Path(folder), seed, {}

    def outcome(self, name, attempt):
        """Outcome of one attempt: `OK`, `REFUSED`, or the traceback of a fault."""
        try:
            self.attempt(name, attempt)
        except ArrayenhError as error:
            return REFUSED if str(error).strip() else "an error without a message"
        except BaseException:  # noqa: B036 - an interrupt that no one asked for is a fault, too
            return traceback.format_exc()
        return OK

    def attempt(self, name, attempt):
        """Damage the file of a loader and read it."""
        path, content = self.file(name)
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode()), attempt])
        path.write_bytes(damaged(content, rng, LOADERS[name].text))
        try:
            LOADERS[name].load(path)
        finally:
            path.write_bytes(content)

    def file(self, name):
        """Path and content of the valid file of a loader, which is read once."""
        if name not in self.valid:
            folder = self.folder / name.replace(" ", "-")
            folder.mkdir(parents=True)
            path = LOADERS[name].make(folder)
            self.valid[name] = path, path.read_bytes()
            LOADERS[name].load(path)
            path.write_bytes(self.valid[name][1])
        return self.valid[name]


def work(pipe, seed):
    """Make the attempts that are asked for, until the pipe is closed."""
    limit_memory()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, silence():
        bench = Bench(folder, seed)
        with contextlib.suppress(EOFError):
            while True:
                name, attempt = pipe.recv()
                bench.file(name)
                pipe.send("begun")
                pipe.send(bench.outcome(name, attempt))


def limit_memory():
    """Bound the memory of this process, where the system can."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


@contextlib.contextmanager
def silence():
    """Drop what is printed, also by libraries in C."""
    with open(os.devnull, "w") as nowhere:
        kept = [os.dup(stream) for stream in (1, 2)]
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
        yield
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)


class Worker:
    """The process that makes the attempts, replaced when it dies or takes too long."""

    def __init__(self, seed):
        self.seed, self.process = seed, None

    def outcome(self, name, attempt):
        if self.process is None:
            context = get_context("spawn")
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=work, args=(other, self.seed), daemon=True)
            self.process.start()
            other.close()
        try:
            self.pipe.send((name, attempt))
            self.expect(START_S)
            return self.expect(ATTEMPT_S)
        except TimeoutError:
            self.stop()
            return f"longer than {ATTEMPT_S} s"
        except EOFError:
            self.process.join()
            code, self.process = self.process.exitcode, None
            return f"the process died with the code {code}"

    def expect(self, seconds):
        if not self.pipe.poll(seconds):
            raise TimeoutError
        return self.pipe.recv()

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def fuzz(names, seed, seconds):
    """Make attempts in turn until the time is over; counts of the outcomes by loader."""
    counts = {name: Counter() for name in names}
    worker, end = Worker(seed), time.monotonic() + seconds
    attempt = 0
    while time.monotonic() < end:
        for name in names:
            found = worker.outcome(name, attempt)
            counts[name][found if found in (OK, REFUSED) else "faults"] += 1
            if found not in (OK, REFUSED):
                print(f"--only '{name}' --attempt {attempt} --seed {seed}\n{found}", flush=True)
            if time.monotonic() >= end:
                break
        attempt += 1
    worker.stop()
    return counts


def replay(name, attempt, seed):
    """Make one attempt in this process; print its outcome and keep the damaged file."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, seed)
        path, content = bench.file(name)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), attempt])
        kept = Path(tempfile.gettempdir()) / f"fuzz-{name.replace(' ', '-')}-{path.name}"
        kept.write_bytes(damaged(content, rng, LOADERS[name].text))
        print(f"damaged file: {kept}", flush=True)
        found = bench.outcome(name, attempt)
    print(found)
    return int(found not in (OK, REFUSED))


def table(counts):
    """Counts as lines of text."""
    yield f"{'loader':<20}{'attempts':>9}{'ok':>8}{'refused':>9}{'faults':>8}"
    total = sum(counts.values(), Counter())
    for name, count in [*counts.items(), ("all", total)]:
        cells = sum(count.values()), count[OK], count[REFUSED], count["faults"]
        yield f"{name:<20}{cells[0]:>9}{cells[1]:>8}{cells[2]:>9}{cells[3]:>8}"


def main():
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--minutes", type=float, default=0.0)
    options.add_argument("--seconds", type=float, default=0.0)
    options.add_argument("--seed", type=int, default=None, help="default: another at each run")
    options.add_argument("--only", choices=list(LOADERS), action="append")
    options.add_argument("--attempt", type=int)
    asked = options.parse_args()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    names = asked.only or list(LOADERS)
    if asked.attempt is not None:
        return max(replay(name, asked.attempt, seed) for name in names)
    print(f"seed {seed}", flush=True)
    counts = fuzz(names, seed, 60 * asked.minutes + asked.seconds or 30)
    print("\n".join(table(counts)))
    return int(any(count["faults"] for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
