"""One beat: decide each event over one overlay, match, write, commit. What it ordered is delivered by the engine."""

import logging
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from tidemill.core.claims import lease
from tidemill.core.commands import AskToStop, SlotFreed
from tidemill.core.decide import Needs
from tidemill.core.errors import InternalError, UnavailableError
from tidemill.core.ids import RunId, SessionId
from tidemill.core.lanes import parked_lane
from tidemill.core.limits import let_go, passed_on, room
from tidemill.core.match import Claim, Offer, match
from tidemill.core.notes import About, Note
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Keys, Lane, Queued
from tidemill.core.run import Attempt, AttemptEnded, Run
from tidemill.engine.changes import changes_of
from tidemill.engine.deciding import Deciding
from tidemill.engine.settling import MAX_ROUNDS, SWEEP_BITE, merged

_log = logging.getLogger("tidemill.engine")


class Turn(Deciding):
    """A beat from its decisions to its commit."""

    declined = False  # a claim gave nothing, so credit is left over
    timely = 0  # how much time has brought
    strangers: Sequence[SessionId] = ()  # offered for, and found to hang on another server

    # Limits ----------------------------------------------------------------------------------------

    async def let_go(self) -> None:
        """Slots that are free again go to those who wait for them."""
        overlay = self.overlay
        if overlay.left_by_key:
            for row in await self.beat.queued([key for key in overlay.left_by_key if key not in overlay.left]):
                overlay.left[row.run, row.path] = row
            overlay.left_by_key.clear()
        overlay.freed.update(passed_on(overlay.left.values()))
        freed, overlay.freed = overlay.freed, {}
        if not freed:
            return
        await self._load(Keys(limits=[key for key in freed if key not in overlay.limits.rows]))
        free = {parked_lane(key): room(overlay, key) for key in freed}
        going = sum(row.lane in free for row in overlay.left.values())  # they are still in the store, before others
        limit = min(max(free.values()), SWEEP_BITE) + going
        waiting = await self.beat.heads([lane for lane in free if free[lane]], limit)
        here = [row for row in overlay.ready.values() if row.lane in free]
        for row in sorted([*waiting, *here], key=lambda row: (row.order, row.run, row.path)):
            if free[row.lane] > 0 and (row.run, row.path) not in overlay.left:
                free[row.lane] -= 1
                self._move(row)

    def _move(self, row: Queued) -> None:
        key = (row.run, row.path)
        if key not in self.overlay.ready:
            self.overlay.left[key] = row
        self.overlay.ready[key] = let_go(row)

    # Matching --------------------------------------------------------------------------------------

    async def match(self, offers: Sequence[Offer], lone: frozenset[Lane], empty: set[Lane]) -> None:
        """Lease what is ready to who has credit; what was made ready in this beat may never see the queue.

        Lanes that are ``empty`` are not asked for what waits in them; those that turn out to be are added.
        """
        if not offers:
            return
        lanes = dict.fromkeys(lane for offer in offers for lane in offer.lanes)
        limit = min(SWEEP_BITE, sum(offer.credit[""] for offer in offers))
        waiting = await self._heads([lane for lane in lanes if lane not in empty], limit, empty)
        for row in self.overlay.ready.values():
            if row.lane in lanes:
                waiting.setdefault(row.lane, []).append(row)
        if not waiting:
            return
        for rows in waiting.values():
            rows.sort(key=lambda row: (row.order, row.run, row.path))
        claims = await self._ours(match(waiting, offers, self._avoided(), lone))
        await self._learn(_keys_of_claims(claims, self.overlay))
        await self._lease_all(self._free(claims))

    async def _heads(self, lanes: Sequence[Lane], limit: int, empty: set[Lane]) -> dict[Lane, list[Queued]]:
        gone = self.overlay.left.keys() | self.overlay.left_by_key.keys()  # they are still in the store, before others
        found = await self.beat.heads(lanes, limit + len(gone)) if lanes else ()
        if self.beat.passed_over:
            self.is_behind = True
        else:
            empty.update(lanes)
        waiting: dict[Lane, list[Queued]] = {}
        for row in found:
            empty.discard(row.lane)
            if (row.run, row.path) not in gone:
                waiting.setdefault(row.lane, []).append(row)
        return waiting

    async def _ours(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Those for sessions that hang on this server still, and do until the commit."""
        sessions = list(dict.fromkeys(claim.session for claim in claims))
        mine = await self.beat.mine(sessions) if claims else ()
        self.strangers = [each for each in sessions if each not in mine]
        return [claim for claim in claims if claim.session in mine] if self.strangers else claims

    def _free(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Those of runs that nobody else holds."""
        if not self.held:
            return claims
        free = [claim for claim in claims if claim.queued.run not in self.held]
        self.is_behind = self.is_behind or len(free) < len(claims)
        return free

    def _avoided(self) -> dict[tuple[bytes, str], str]:
        steps = self.overlay.steps.rows
        return {key: step.avoid for key in self.overlay.ready if (step := steps.get(key)) and step.avoid}

    async def _lease_all(self, claims: Sequence[Claim]) -> None:
        """What claims still lack is loaded for all of them at once: one by one, that cost as much as the leases."""
        for _ in range(MAX_ROUNDS):
            lacking = [(claim, needs) for claim in claims if (needs := await self._lease(claim)) is not None]
            if not lacking:
                return
            held = await self._learn(merged(needs.keys for _, needs in lacking))
            claims = [claim for claim, needs in lacking if not (held and _any_of(needs.keys, held))]
            self.is_behind = self.is_behind or len(claims) < len(lacking)
        for claim in claims:
            await self._give_up(claim, InternalError("a claim asks for rows again and again"))

    async def _lease(self, claim: Claim) -> Needs | None:
        """Decide a claim, or give what that needs."""
        try:
            outcome = lease(self.overlay, claim)
            if isinstance(outcome, Needs):
                await self._satisfy(Needs(Keys(), outcome.graphs))
                return outcome
            self._lay(outcome.draft)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # the outermost line of one claim: the others go on
            await self._give_up(claim, error)
            return None
        self.orders.append((None, outcome.draft.commands))
        if outcome.attempt is not None:
            self.leases.append((claim, outcome))
        else:
            self.declined = True
        return None

    async def _give_up(self, claim: Claim, error: Exception) -> None:
        _log.error("step %r cannot be leased; its run is halted", claim.queued.path, exc_info=error)
        await self._halt(claim.queued.run, error)
        key = (claim.queued.run, claim.queued.path)
        if self.overlay.ready.pop(key, None) is None:
            self.overlay.left[key] = claim.queued

    # Writing ---------------------------------------------------------------------------------------

    async def leave_notes(self, is_here: Callable[[SessionId], bool]) -> None:
        """What concerns sessions of other servers goes there with the commit."""
        orders = [
            (command, command.session)
            for _, commands in self.orders
            for command in commands
            if isinstance(command, AskToStop | SlotFreed) and not is_here(command.session)
        ]
        if not orders:
            return
        servers = await self.beat.seated(list(dict.fromkeys(session for _, session in orders)))
        self.left_notes += [_note(servers[session], command) for command, session in orders if servers.get(session)]

    async def write(self) -> bool:
        """Make the beat durable; False when there is nothing to write. Raises what the store raises."""
        overlay = self.overlay
        unplaced = [key for key in overlay.left_by_key if key not in overlay.left]
        left = await self.beat.queued(unplaced) if unplaced else ()
        self.changes = changes_of(overlay, left, self.recorded)
        self.changes.outbox += self.registry.deliveries([each.run for each in self.outcomes], overlay.at)
        self.changes.notes += self.left_notes
        if not self.changes and not self.notes:
            await self.beat.rollback()
            return False
        self.numbers = await self.beat.save(self.changes)
        await self.beat.commit()
        return True

    def ended(self) -> list[Attempt]:
        """Attempts that ended in this beat."""
        return [each for each in self.overlay.attempts.changed.values() if type(each.state) is AttemptEnded]

    def runs(self) -> dict[RunId, Run]:
        return self.overlay.runs.changed


def _note(server: bytes, command: AskToStop | SlotFreed) -> Note:
    about, reason = (About.STOP, command.reason) if isinstance(command, AskToStop) else (About.FREED, "")
    return Note(server, about, command.session, command.run, command.path, command.number, reason)


def _any_of(keys: Keys, held: AbstractSet[Any]) -> bool:
    """Whether keys ask for a row that another server holds."""
    for name in keys.__struct_fields__:
        for key in getattr(keys, name):
            if (name, key) in held or key in held or (isinstance(key, tuple) and key[0] in held):
                return True
    return False


def _keys_of_claims(claims: Sequence[Claim], overlay: Overlay) -> Keys:
    """Rows of the claims that came out of the queue; those of this beat are at hand."""
    keys = [(claim.queued.run, claim.queued.path) for claim in claims]
    steps = [key for key in keys if key not in overlay.steps.rows]
    runs = dict.fromkeys(run for run, _ in keys if run not in overlay.runs.rows)
    return Keys(runs=list(runs), steps=steps)
