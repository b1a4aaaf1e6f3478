"""Carries out strikes: on processes, and on the lines between them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.storm.fleet import WAIT_S, Member
from tests.storm.plan import KILLS, OF_LINKS, Blow, Strike
from tests.storm.proxy import HOLE, End, Proxy, Way, Weather

SPELL_S = 2.0  # the longest one
DOWN_S = 1.0  # the longest time until what was killed is started again


@dataclass
class Sky:
    servers: Sequence[Member]
    workers: Sequence[Member]
    lines: Sequence[Proxy]
    lease_s: float
    struck: Counter[Blow] = field(default_factory=Counter)
    moments: list[tuple[float, Blow]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)  # of all that was started

    @property
    def kills(self) -> int:
        return sum(self.struck[blow] for blow in KILLS)

    def start(self, member: Member) -> None:
        member.start()
        self.sessions.append(member.pid)

    async def follow(self, strikes: Sequence[Strike]) -> None:
        """Returns when all of them are over, and what they hit runs again."""
        now = asyncio.get_running_loop().time
        began = now()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(began + strike.at_s - now())
                group.create_task(self._strike(strike))

    async def _strike(self, strike: Strike) -> None:
        if strike.blow in OF_LINKS:
            self._count(strike.blow)
            await self._weather(strike)
            return
        members = self.servers if strike.blow.name.endswith("SERVER") else self.workers
        member = await self._free_one(members, strike.chance)
        member.is_busy = True
        try:
            self._count(strike.blow)
            await self._hit(member, strike)
        finally:
            member.is_busy = False

    def _count(self, blow: Blow) -> None:
        self.struck[blow] += 1
        self.moments.append((asyncio.get_running_loop().time(), blow))

    async def _free_one(self, members: Sequence[Member], chance: float) -> Member:
        while True:
            free = [member for member in members if not member.is_busy]
            if free:
                return free[int(chance * 0.999 * len(free))]
            await asyncio.sleep(0.05)

    async def _hit(self, member: Member, strike: Strike) -> None:
        match strike.blow:
            case Blow.STOP_WORKER | Blow.STOP_SERVER:
                member.pause()
                await asyncio.sleep(self.lease_s * (1.2 + strike.length))
                member.resume()
            case Blow.END_WORKER | Blow.END_SERVER:
                member.ask_to_end()
                await self._gone(member)
                self.start(member)
            case _:
                await asyncio.to_thread(member.kill)
                await asyncio.sleep(strike.length * DOWN_S)
                if strike.blow is Blow.REPLACE_WORKER:
                    rename(member)
                self.start(member)

    async def _gone(self, member: Member) -> None:
        ends = asyncio.get_running_loop().time() + WAIT_S
        while not member.has_ended():
            if asyncio.get_running_loop().time() > ends:
                self.wrong.append(f"{member.name} did not end within {WAIT_S:.0f} s of SIGTERM")
                member.destroy()
                return
            await asyncio.sleep(0.05)
        if member.exits[-1]:
            self.wrong.append(f"{member.name} ended with {member.exits[-1]} after SIGTERM: {member.last_words(3)}")

    async def _weather(self, strike: Strike) -> None:
        line = self.lines[int(strike.chance * 0.999 * len(self.lines))]
        seconds = SPELL_S * strike.length
        which = int(strike.chance * 1000) % 3
        match strike.blow:
            case Blow.RESET:
                line.reset()
            case Blow.HALF_OPEN:
                line.half_open(End.CLIENT if which == 0 else End.TARGET)
            case Blow.HOLE:
                hole = Weather(up=HOLE if which != 0 else Way(), down=HOLE if which != 1 else Way())
                await line.spell(hole, seconds * self.lease_s)
            case Blow.SLOW:
                await line.spell(Weather(up=Way(bytes_per_s=50_000), down=Way(bytes_per_s=50_000)), seconds)
            case Blow.LATE:
                way = Way(delay_s=0.05, jitter_s=0.2)
                await line.spell(Weather(up=way, down=way), seconds)
            case _:
                await line.spell(Weather(refuses=True), seconds)

    async def watch(self) -> None:
        """For ever: who ends without having been hit is a finding, and is started again."""
        while True:
            await asyncio.sleep(0.25)
            for member in (*self.servers, *self.workers):
                if not member.is_busy and member.has_ended():
                    self.wrong.append(f"{member.name} ended by itself with {member.exits[-1]}:\n{member.last_words()}")
                    self.start(member)

    async def end(self) -> None:
        """All is told to end, workers first; what does not, is ended."""
        for members in (self.workers, self.servers):
            for member in members:
                member.is_busy = True
                if member.is_alive:
                    member.ask_to_end()
            await asyncio.gather(*(self._gone(member) for member in members if member.process is not None))

    def destroy(self) -> None:
        for member in (*self.workers, *self.servers):
            member.destroy()


def rename(member: Member) -> None:
    """The next process is another worker: nobody says hello for what this one held."""
    place = member.arguments.index("--id") + 1
    member.arguments[place] = f"{member.name}-{member.starts}"
