"""Serves a contender with uvicorn, and loads it with wrk."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.applications import APPLICATIONS, ROOT
from benchmarks.databases import TASKS
from benchmarks.imports import NOT_COMPILED
from benchmarks.workloads import PERCENT, UNIQUE, Workload

SCRIPT = """
wrk.method = {method!r}
wrk.body = {body!r}
if wrk.body ~= "" then wrk.headers["Content-Type"] = "application/json" end
local path, n = {path!r}, {first}
local run = os.time() .. "-" .. tostring({{}}):sub(8) .. "-"
-- The percentage of a row differs from the one that the row had in the last cycle.
local values = {{
    unique = function() return run .. n end,
    percent = function() return (n + math.floor(n / {tasks})) % 100 end,
    row = function() return n % {tasks} + 1 end,
    id = function() return n end,
}}
local function varied(text)
    return (text:gsub("{{(%a+)}}", function(name)
        return values[name] and string.format("%s", values[name]())
    end))
end
if varied(path) ~= path or varied(wrk.body) ~= wrk.body then
    local body = wrk.body
    request = function()
        n = n + 1
        return wrk.format(nil, varied(path), nil, varied(body))
    end
end
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format('RESULT {{"requests": %d, "microseconds": %d, "errors": %d, '
        .. '"mean": %d, "p50": %d, "p99": %d}}\\n', summary.requests, summary.duration,
        errors.status + errors.read + errors.write + errors.connect + errors.timeout,
        latency.mean, latency:percentile(50), latency:percentile(99)))
end
"""


class FailedError(Exception):
    """A contender does not start, or responds with an error."""


@dataclass(frozen=True)
class Load:
    """The results of a load.

    Attributes:
        rate: Requests per second.
        cpu: Processor time of the server's processes per request, in milliseconds.
        p50: The median latency in milliseconds.
        p99: The 99th percentile of the latency in milliseconds.
    """

    rate: float
    cpu: float
    p50: float
    p99: float


class Served:
    """A contender that is running.

    Args:
        name: The contender.
        url: The URL of its database.
        workers: The number of worker processes.

    Raises:
        FailedError: The contender does not start.
        NotInstalledError: What it needs is not installed.
    """

    def __init__(self, name: str, url: str, *, workers: int = 1) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.name = name
        self.url = f"http://127.0.0.1:{self.port}"
        application = APPLICATIONS[name]
        application.install()
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            application.command(self.port, workers),
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url, "PORT": str(self.port), NOT_COMPILED: ""},
        )

    def __enter__(self) -> "Served":
        self.wait()
        return self

    def wait(self) -> None:
        """Wait until it listens.

        Raises:
            FailedError: It does not start.
        """
        for _ in range(3000):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if self.process.poll() is not None:
                    raise FailedError(f"{self.name} does not start.") from None
                time.sleep(0.01)
            else:
                return
        raise FailedError(f"{self.name} does not listen.")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for process in self.processes():
                process.kill()
            self.process.wait()

    def request(self, workload: Workload, *, percent: int = 50, **names: Any) -> Any:
        """Send a single request of a workload; the parsed response.

        Raises:
            FailedError: The response is an error.
        """
        path = str(workload.path_of(self.name)).format(**{"row": 7, **names})
        body = workload.body.replace(PERCENT, str(percent))
        return self.get(path, method=workload.method, body=body)

    def get(self, path: str, *, method: str = "GET", body: str = "") -> Any:
        """Send a request; the parsed response.

        Raises:
            FailedError: The response is an error.
        """
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=body.replace(UNIQUE, str(time.time_ns())).encode() or None,
            headers={"Content-Type": "application/json"} if body else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                self.links: str = response.headers.get("Link", "")
                return json.load(response)
        except (OSError, ValueError) as error:
            response_text = (
                error.read().decode()[:300] if isinstance(error, urllib.error.HTTPError) else ""
            )
            raise FailedError(f"{self.name}: {method} {path}: {error} {response_text}") from error

    def processes(self) -> list[psutil.Process]:
        """The server's processes."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def cpu(self) -> float:
        """The processor time of the server so far, in seconds."""
        times = [process.cpu_times() for process in self.processes()]
        return float(sum(process_times.user + process_times.system for process_times in times))

    def _finish(self) -> None:
        """Wait until the server has finished the requests of disconnected clients."""
        for _ in range(40):
            before = self.cpu()
            time.sleep(0.05)
            if self.cpu() == before:
                return

    def memory(self) -> int:
        """The memory of the server's processes in bytes."""
        return int(sum(process.memory_info().rss for process in self.processes()))

    def load(
        self,
        workload: Workload,
        seconds: int,
        *,
        clients: int = 0,
        first: int = 0,
        **names: Any,
    ) -> Load:
        """Send requests from several clients as fast as possible.

        Args:
            workload: The requests.
            seconds: The duration of the load.
            clients: The number of clients, by default that of the workload.
            first: The id before the first task to use, for a workload that consumes tasks.
            names: Values for placeholders in the path.

        Raises:
            FailedError: A response was an error.
        """
        for longer in (1, 5):  # again, if no request has ended
            load = self._load(workload, seconds * longer, clients=clients, first=first, **names)
            if load is not None:
                return load
        raise FailedError(f"{self.name} answers no request of {workload.name} in {seconds * 5} s.")

    def _load(
        self, workload: Workload, seconds: int, *, clients: int, first: int, **names: Any
    ) -> Load | None:
        """Send requests for a time; None if none of them has ended."""
        path = str(workload.path_of(self.name))
        if not workload.varies:
            path = path.format(**names)
        script = SCRIPT.format(
            method=workload.method, body=workload.body, path=path, first=first, tasks=TASKS
        )
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(script)
            file.flush()
            before = self.cpu()
            done = subprocess.run(
                ["wrk", "-t1", f"-c{clients or workload.clients}", f"-d{seconds}s",
                 "--timeout", "20s", "-s", file.name,
                 f"{self.url}{'/' if workload.varies else path}"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        cpu_seconds = self.cpu() - before
        self._finish()
        line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
        result = json.loads(line.removeprefix("RESULT"))
        if not result["errors"] and not result["requests"]:
            return None
        if result["errors"]:
            raise FailedError(
                f"{self.name} failed {result['errors']} of {result['requests']} requests of "
                f"{workload.name}: {workload.method} {path}"
            )
        rate = result["requests"] / result["microseconds"] * 1e6
        if (clients or workload.clients) == 1:  # the end of the load interrupts a slow request
            rate = 1e6 / result["mean"]
        return Load(
            rate=rate,
            cpu=cpu_seconds / result["requests"] * 1000,
            p50=result["p50"] / 1000,
            p99=result["p99"] / 1000,
        )
