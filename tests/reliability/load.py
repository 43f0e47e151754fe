"""Clients that write and read continuously, and record the responses."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx2 as httpx

CLIENTS = 12
DEADLINE = 6.0
"""Seconds within which a request must be answered, and service must be back after a fault."""

SLOWEST = DEADLINE + 2
"""Seconds after which a response is wrong, with a margin because two processors run everything."""

SLOTS_DEADLINE = 1.0
"""Seconds that a request for slots may wait for the database, less than the statement timeout."""


@dataclass
class Record:
    """The requests of the clients and their responses.

    Attributes:
        requests: The number of requests.
        acknowledged: The tokens of acknowledged entries.
        keyed: The tokens of entries that were sent repeatedly with an idempotency key.
        batches: The tokens of each batch, which must be stored all or not at all.
        counters: For each client, the last acknowledged value and the last value sent.
        statuses: The number of responses with each status; 0 for no response.
        wrong: Wrong responses.
        longest_pause: The longest time without a successful request, in seconds.
        slowest: The time of the slowest response, in seconds.
    """

    requests: int = 0
    acknowledged: set[UUID] = field(default_factory=set)
    keyed: set[UUID] = field(default_factory=set)
    batches: list[list[UUID]] = field(default_factory=list)
    counters: dict[int, tuple[int, int]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest_pause: float = 0.0
    slowest: float = 0.0
    last_success: float = field(default_factory=time.monotonic)

    def succeeded(self) -> None:
        """Record a successful request."""
        now = time.monotonic()
        self.longest_pause = max(self.longest_pause, now - self.last_success)
        self.last_success = now


class Load:
    """Clients of an application, which run until they are stopped.

    Args:
        base: The URL of the application.
        seed: The seed of their random choices.
    """

    def __init__(self, base: str, seed: int) -> None:
        self.record = Record()
        self._base = base
        self._seed = seed
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Start the clients, each with its own counter."""
        limits = httpx.Limits(max_connections=2 * CLIENTS, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(base_url=self._base, timeout=20, limits=limits)
        self.record.last_success = time.monotonic()
        self._tasks = [asyncio.create_task(self._work(index)) for index in range(CLIENTS)]

    async def stop(self) -> Record:
        """Stop the clients after their current request."""
        self._stopped = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)
        assert self._client is not None
        await self._client.aclose()
        return self.record

    async def _work(self, index: int) -> None:
        choose = random.Random(self._seed * 1000 + index)
        while not self._stopped:
            dice = choose.random()
            if dice < 0.25:
                await self._store_once(index, choose, count=1)
            elif dice < 0.35:
                await self._store_once(index, choose, count=choose.randint(2, 20))
            elif dice < 0.45:
                await self._store(index)
            elif dice < 0.5:
                await self._store_many(index, choose.randint(2, 20))
            elif dice < 0.65:
                await self._count(index)
            else:
                await self._read(choose)
            await asyncio.sleep(choose.uniform(0, 0.02))

    async def _store_once(self, index: int, choose: random.Random, *, count: int) -> None:
        """Send entries with an idempotency key until they are acknowledged."""
        path, body, tokens = self._entries(index, count)
        self.record.keyed.update(tokens)
        headers = {"Idempotency-Key": str(tokens[0])}
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            status, _ = await self._request("POST", path, json=body, headers=headers)
            if status == 201:
                self.record.acknowledged.update(tokens)
                return
            if status not in {0, 409, 503}:
                return
            await asyncio.sleep(choose.uniform(0.05, 0.3))

    def _entries(self, index: int, count: int) -> tuple[str, object, list[UUID]]:
        """New entries: the path and the body of the request, and their tokens."""
        tokens = [uuid4() for _ in range(count)]
        entries = [{"token": str(token), "worker": index} for token in tokens]
        if count == 1:
            return "/entries", entries[0], tokens
        self.record.batches.append(tokens)
        return "/entries:batch", entries, tokens

    async def _store(self, index: int) -> None:
        """Send an entry once."""
        path, body, tokens = self._entries(index, 1)
        status, position = await self._request("POST", path, json=body)
        if status != 201:
            return
        self.record.acknowledged.update(tokens)
        if position:
            await self._find(tokens[0], position)

    async def _store_many(self, index: int, count: int) -> None:
        """Send a batch of entries once."""
        path, body, tokens = self._entries(index, count)
        status, _ = await self._request("POST", path, json=body)
        if status == 201:
            self.record.acknowledged.update(tokens)

    async def _find(self, token: UUID, position: str) -> None:
        """Read an entry back, with replicas by the position of the response."""
        path = f"/entries?token={token}&count=exact&limit=1"
        status, total = await self._request("GET", path, headers={"Colonnade-Position": position})
        if status == 200 and total != "1":
            self.record.wrong.append(
                f"{path}: found {total} entries instead of the one just written"
            )

    async def _count(self, index: int) -> None:
        """Increment the client's counter."""
        known, sent = self.record.counters.get(index, (0, 0))
        self.record.counters[index] = known, sent + 1
        status, _ = await self._request("PATCH", f"/counters/{index}", json={"value": sent + 1})
        if status == 200:
            self.record.counters[index] = sent + 1, sent + 1

    async def _read(self, choose: random.Random) -> None:
        if choose.random() < 0.5:
            await self._request("GET", "/entries?limit=20&order_by=-id")
        else:
            await self._request("GET", f"/counters/{choose.randrange(CLIENTS)}")

    async def _request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Send a request; its status, 0 for no response, and its position or total count."""
        assert self._client is not None
        record = self.record
        record.requests += 1
        started = time.monotonic()
        try:
            response = await self._client.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as error:
            record.statuses[0] += 1
            if isinstance(error, httpx.TimeoutException):
                record.wrong.append(f"{method} {path}: no response in 20 s")
            return 0, ""
        took = time.monotonic() - started
        record.slowest = max(record.slowest, took)
        record.statuses[response.status_code] += 1
        if response.status_code in {200, 201}:
            record.succeeded()
        elif response.status_code not in {409, 503} or (
            response.status_code == 503 and "retry-after" not in response.headers
        ):
            record.wrong.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
        if took > SLOWEST:
            record.wrong.append(f"{method} {path}: {response.status_code} after {took:.1f} s")
        response_headers = response.headers
        return response.status_code, response_headers.get(
            "Colonnade-Position", response_headers.get("X-Total-Count", "")
        )
