"""Clients that write and read without pause, and remember the responses."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx2 as httpx

CLIENTS = 12
DEADLINE = 6.0
"""Seconds in which each request is answered, and after a fault service is back."""

SLOWEST = DEADLINE + 2
"""Seconds from which on an answer is one that hangs: two processors do all of this."""


SLOTS_DEADLINE = 1.0
"""Seconds that a request for slots may wait for the database: less than a statement may take."""


@dataclass
class Record:
    """What the clients saw.

    Attributes:
        requests: How many requests were sent.
        acknowledged: The tokens of the entries that were acknowledged.
        keyed: The tokens of those that were sent under their own key, again and again.
        batches: The tokens of those that were sent together, and are all there or none is.
        counters: For each client, the last value that was acknowledged, and the last sent.
        statuses: How often each status was answered; 0 for no answer.
        wrong: What should never be answered.
        longest_pause: Seconds in which no request succeeded, the longest.
        slowest: Seconds that the slowest answer took.
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
        """A request was answered as it should be."""
        now = time.monotonic()
        self.longest_pause = max(self.longest_pause, now - self.last_success)
        self.last_success = now


class Load:
    """Clients of an application, until they are stopped.

    Args:
        base: Where it is.
        seed: What their choices follow from.
    """

    def __init__(self, base: str, seed: int) -> None:
        self.record = Record()
        self._base = base
        self._seed = seed
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Let them begin, each with its own counter."""
        limits = httpx.Limits(max_connections=2 * CLIENTS, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(base_url=self._base, timeout=20, limits=limits)
        self.record.last_success = time.monotonic()
        self._tasks = [asyncio.create_task(self._work(index)) for index in range(CLIENTS)]

    async def stop(self) -> Record:
        """Let each come to the end of what it does."""
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
        """Store entries under a key: again until they are acknowledged."""
        path, body, tokens = self._entries(index, count)
        self.record.keyed.update(tokens)
        headers = {"Idempotency-Key": str(tokens[0])}
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            status, _ = await self._ask("POST", path, json=body, headers=headers)
            if status == 201:
                self.record.acknowledged.update(tokens)
                return
            if status not in {0, 409, 503}:
                return
            await asyncio.sleep(choose.uniform(0.05, 0.3))

    def _entries(self, index: int, count: int) -> tuple[str, object, list[UUID]]:
        """One new entry, or several together: where they are sent, the body, their tokens."""
        tokens = [uuid4() for _ in range(count)]
        entries = [{"token": str(token), "worker": index} for token in tokens]
        if count == 1:
            return "/entries", entries[0], tokens
        self.record.batches.append(tokens)
        return "/entries:batch", entries, tokens

    async def _store(self, index: int) -> None:
        """Store an entry, once."""
        path, body, tokens = self._entries(index, 1)
        status, position = await self._ask("POST", path, json=body)
        if status != 201:
            return
        self.record.acknowledged.update(tokens)
        if position:
            await self._find(tokens[0], position)

    async def _store_many(self, index: int, count: int) -> None:
        """Store entries together, once."""
        path, body, tokens = self._entries(index, count)
        status, _ = await self._ask("POST", path, json=body)
        if status == 201:
            self.record.acknowledged.update(tokens)

    async def _find(self, token: UUID, position: str) -> None:
        """Find what was just written: with replicas, by the position that was answered."""
        path = f"/entries?token={token}&count=exact&limit=1"
        status, total = await self._ask("GET", path, headers={"Colonnade-Position": position})
        if status == 200 and total != "1":
            self.record.wrong.append(f"{path}: {total} found of what was just written")

    async def _count(self, index: int) -> None:
        """Set the client's counter to the next value."""
        known, sent = self.record.counters.get(index, (0, 0))
        self.record.counters[index] = known, sent + 1
        status, _ = await self._ask("PATCH", f"/counters/{index}", json={"value": sent + 1})
        if status == 200:
            self.record.counters[index] = sent + 1, sent + 1

    async def _read(self, choose: random.Random) -> None:
        if choose.random() < 0.5:
            await self._ask("GET", "/entries?limit=20&order_by=-id")
        else:
            await self._ask("GET", f"/counters/{choose.randrange(CLIENTS)}")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Ask once: the status, 0 if there was no answer, and the headers about the database."""
        assert self._client is not None
        record = self.record
        record.requests += 1
        started = time.monotonic()
        try:
            answer = await self._client.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as error:
            record.statuses[0] += 1
            if isinstance(error, httpx.TimeoutException):
                record.wrong.append(f"{method} {path}: no answer in 20 s")
            return 0, ""
        took = time.monotonic() - started
        record.slowest = max(record.slowest, took)
        record.statuses[answer.status_code] += 1
        if answer.status_code in {200, 201}:
            record.succeeded()
        elif answer.status_code not in {409, 503} or (
            answer.status_code == 503 and "retry-after" not in answer.headers
        ):
            record.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        if took > SLOWEST:
            record.wrong.append(f"{method} {path}: {answer.status_code} after {took:.1f} s")
        answer_headers = answer.headers
        return answer.status_code, answer_headers.get(
            "Colonnade-Position", answer_headers.get("X-Total-Count", "")
        )
