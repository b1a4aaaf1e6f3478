"""Arrays go to the database and come back as they were, by our own codecs as by those of the driver."""

import asyncpg
import pytest

from tidemill.adapters.storage.postgres.arrays import quicken

ROWS = (
    [[b"", None, b"\0" * 9, bytes(70_000)], ["", None, "é😀", "a" * 70_000], [0, None, -(2**63), 2**63 - 1]],
    [[], (), []],
    [(b"x",), ("y",), (-1,)],
)
WRONG = [([b"x", "y"], [], []), ([], [b"x"], []), ([], ["\ud800"], []), ([], [], [2**63]), ([], [], ["1"]), (3, [], [])]


@pytest.mark.parametrize("quick", [False, True])
async def test_arrays_come_back_as_they_were(postgres_url: str, quick: bool) -> None:
    connection = await asyncpg.connect(postgres_url)
    if quick:
        theirs = connection._protocol.get_settings().get_data_codec(1001)
        quicken(connection)
        assert connection._protocol.get_settings().get_data_codec(1001) is not theirs  # the way in is still there
    sql = "select $1::bytea[], $2::text[], $3::bigint[]"
    for row in ROWS:
        assert [list(each) for each in await connection.fetchrow(sql, *row)] == [list(each) for each in row]
    for wrong in WRONG:
        with pytest.raises(asyncpg.DataError):
            await connection.fetchrow(sql, *wrong)
    assert await connection.fetchval("select array(select x::bigint from generate_series(1, 3) x)") == [1, 2, 3]
    await connection.close()
