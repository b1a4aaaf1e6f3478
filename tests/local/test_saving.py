"""Names of files that a task saves: the same ones are refused in a plain call and in a worker."""

from collections.abc import Callable

from tests.local.conftest import Run
from tidemill import Context, InvalidInputError, Worker

WRONG = ["", "/a", "../a", "a/../../b", "x" * 256, "a\0b"]


def test_a_name_that_is_none_is_refused_and_one_that_is_taken_is_kept(run_of: Callable[[Worker], Run]) -> None:
    mill = Worker("mill")

    @mill.task
    def save(ctx: Context, names: list[str]) -> list[str]:
        said = []
        for name in names:
            try:
                ctx.save_bytes(name, b"data")
            except (InvalidInputError, FileExistsError) as error:
                said.append(f"{type(error).__name__}: {error}")
        return said

    said = run_of(mill)(save, [*WRONG, "deep/a.txt", "b.txt", "deep/a.txt"])
    *wrong, taken = said
    assert len(wrong) == len(WRONG)
    assert all("is no name for a file; use a relative one without '..', up to 255 long" in each for each in wrong)
    assert taken.startswith("FileExistsError: the name 'deep/a.txt' is taken")
