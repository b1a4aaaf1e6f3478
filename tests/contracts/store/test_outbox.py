"""What is to be sent, and what was registered."""

from msgspec.structs import replace

from tests.contracts.store.sample import AT, a_delivery, a_webhook, write
from tidemill.core.rows import Changes
from tidemill.core.webhooks import KEPT, Delivered, Delivery, GivenUp
from tidemill.ports.store import Store


def ended(number: int, hook: str = "chat") -> Delivery:
    return a_delivery(number, hook, None)


async def test_what_is_due_comes_by_its_time_and_only_of_its_webhook(store: Store) -> None:
    late, soon, other = a_delivery(1, due_at=AT + 9), a_delivery(2, due_at=AT + 3), a_delivery(3, "mail")
    await write(store, Changes(outbox=[late, soon, other, ended(4)]))
    assert await store.due_deliveries("chat", 10) == [soon, late]
    assert await store.due_deliveries("chat", 1) == [soon]
    await write(store, Changes(sent=[replace(soon, state=Delivered(AT))]))
    assert await store.due_deliveries("chat", 10) == [late]
    assert await store.due_deliveries("nobody", 10) == []


async def test_the_log_of_a_webhook_is_newest_first_and_comes_in_pages(store: Store) -> None:
    rows = [ended(number) for number in range(1, 6)]
    await write(store, Changes(outbox=[*rows, ended(9, "mail")]))
    assert await store.deliveries("chat", None, 10) == rows[::-1]
    assert await store.deliveries("chat", rows[3].id, 2) == [rows[2], rows[1]]
    assert await store.delivery(rows[0].id) == rows[0]
    assert await store.delivery(b"?" * 16) is None


async def test_what_is_in_the_outbox_is_not_put_there_twice(store: Store) -> None:
    done = replace(a_delivery(1), state=Delivered(AT), tries=1)
    await write(store, Changes(outbox=[a_delivery(1)]))
    await write(store, Changes(sent=[done]))
    await write(store, Changes(outbox=[a_delivery(1)]))
    assert await store.deliveries("chat", None, 10) == [done]


async def test_the_log_is_bounded_and_what_is_due_stays(store: Store) -> None:
    due = a_delivery(0, due_at=AT + 1)
    await write(store, Changes(outbox=[due, *(ended(number) for number in range(1, KEPT + 1))]))
    await write(store, Changes(outbox=[replace(ended(KEPT + 1), state=GivenUp(AT, "tried"))]))
    kept = await store.deliveries("chat", None, 2 * KEPT)
    assert (len(kept), kept[0].id, kept[-1]) == (KEPT + 1, ended(KEPT + 1).id, due)
    assert kept[-2] == ended(2)
    assert await store.due_deliveries("chat", 10) == [due]


async def test_with_a_webhook_goes_what_was_to_be_sent(store: Store) -> None:
    chat, mail = a_webhook(), a_webhook("mail")
    await write(store, Changes(registered=[mail, chat], outbox=[a_delivery(1), ended(2), a_delivery(3, "mail")]))
    assert await store.registered() == [chat, mail]
    await write(store, Changes(registered_drop=[("webhook", "chat"), ("endpoint", "mail")]))
    assert await store.registered() == [mail]
    assert await store.deliveries("chat", None, 10) == []
    await write(store, Changes(sent=[replace(a_delivery(1), state=Delivered(AT))]))  # it was under way
    assert await store.deliveries("chat", None, 10) == []
    assert await store.deliveries("mail", None, 10) == [a_delivery(3, "mail")]
