"""Carries out strikes: on processes, and on the lines between them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.storm.fleet import Member
from tests.storm.plan import KILLS, OF_LINKS, Blow, Strike
from tests.storm.proxy import HOLE, End, Way, Weather
from tests.storm.site import Site

SPELL_S = 2.0  # the longest one
DOWN_S = 1.0  # the longest time until what was killed is started again


@dataclass
class Sky:
    site: Site
    lease_s: float
    struck: Counter[Blow] = field(default_factory=Counter)
    moments: list[tuple[float, Blow]] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(self.struck[blow] for blow in KILLS)

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
        members = self.site.servers if strike.blow.name.endswith("SERVER") else self.site.workers
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
                await self.site.gone(member)
                self.site.start(member)
            case _:
                await asyncio.to_thread(member.kill)
                await asyncio.sleep(strike.length * DOWN_S)
                if strike.blow is Blow.REPLACE_WORKER:
                    self.site.rename(member)
                self.site.start(member)

    async def _weather(self, strike: Strike) -> None:
        line = self.site.lines[int(strike.chance * 0.999 * len(self.site.lines))]
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
            for member in (*self.site.servers, *self.site.workers):
                if not member.is_busy and member.has_ended():
                    self.site.wrong.append(
                        f"{member.name} ended by itself with {member.exits[-1]}:\n{member.last_words()}"
                    )
                    self.site.start(member)
