"""Ways to a database: an encrypted line whose certificate is checked, and through PgBouncer."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.sample import R1, R2, a_run, write
from tests.faults.processes import free_port
from tests.postgres import NOBODY, PASSWORD, PostgresServer, installations
from tidemill.adapters.storage.errors import StoreRefusedError
from tidemill.core.rows import Changes, Keys
from tidemill.ports.peers import News


def speaks_tls(bins: Path) -> bool:
    """Programs from wheels may have been built without."""
    linked = subprocess.run(["ldd", bins / "postgres"], capture_output=True, text=True, check=False)
    return "libssl" in linked.stdout


@pytest.fixture
def tls_postgres() -> Iterator[PostgresServer]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    bins = next(filter(speaks_tls, installations()), None)
    if bins is None:
        pytest.skip("no PostgreSQL that speaks TLS is here: the wheel's does not; apt install postgresql")
    server = PostgresServer(bins)
    try:
        yield server
    finally:
        server.close()


def certificate(folder: Path, owner: PostgresServer) -> Path:
    """Made for 127.0.0.1, and for the database; the copy that is trusted."""
    key, cert = owner.data / "server.key", owner.data / "server.crt"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True)
    key.chmod(0o600)
    if owner.is_root:
        shutil.chown(key, NOBODY, NOBODY)
    copy = folder / "ca.crt"
    copy.write_bytes(cert.read_bytes())
    return copy


async def test_an_encrypted_line_is_used_and_its_certificate_checked(
    tls_postgres: PostgresServer, tmp_path: Path
) -> None:
    trusted = certificate(tmp_path, tls_postgres)
    tls_postgres.start(ssl="on")
    url = tls_postgres.url()
    store = await a_postgres(f"{url}?sslmode=verify-full&sslrootcert={trusted}")
    await write(store, Changes(runs=[a_run(R1)]))
    lines = "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name ~ 'tidemill'"
    assert tls_postgres.run(lines) == "t"
    await store.close()
    with pytest.raises(StoreRefusedError, match="certificate that is not trusted"):
        await a_postgres(f"{url}?sslmode=verify-full&sslrootcert={another(tmp_path)}")


def another(folder: Path) -> Path:
    """A certificate that has signed nothing here."""
    cert = folder / "other.crt"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"]
    subprocess.run([*make, "-keyout", "/dev/null", "-out", str(cert)], check=True, capture_output=True)
    return cert


@contextmanager
def pooler(folder: Path, database: PostgresServer) -> Iterator[int]:
    """PgBouncer before a database; its port. Each client has its own connection for as long as it stays."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    port = free_port()
    (folder / "users.txt").write_text(f'"postgres" "{PASSWORD}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={database.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\npool_mode = session\nauth_type = plain\n"
        f"auth_file = {folder}/users.txt\n"
    )
    command = [program, "-q", str(folder / "pgbouncer.ini")]
    if database.is_root:  # it refuses to run as root
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, NOBODY, NOBODY)
        command = [sys.executable, "-c", f"import os, sys; os.setgid({NOBODY}); os.setuid({NOBODY}); os.execv(sys.argv[1], sys.argv[1:])", *command]  # noqa: E501  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        time.sleep(0.3)
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.usefixtures("postgres_url")
async def test_servers_work_and_hear_each_other_through_pgbouncer(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Path("/tmp") / tmp_path_factory.mktemp("pooler").name
    folder.mkdir()
    try:
        with pooler(folder, postgres_server) as port:
            url = postgres_server.url("tests").replace(f":{postgres_server.port}/", f":{port}/")
            one, two = await a_postgres(url), await a_postgres(url)
            await one.peers.look()
            await two.peers.look()
            await one.peers.look()
            await write(one, Changes(runs=[a_run(R1), a_run(R2)]))
            beat = await two.begin(0)
            assert (await beat.load(Keys(runs=[R1]))).runs[R1] == a_run(R1)
            other = await one.begin(0)
            rows = await other.load(Keys(runs=[R1, R2]))
            assert rows.held == {R1}
            await other.rollback()
            await beat.rollback()
            await one.peers.tell(News(queued=True))
            assert [news.queued for news in await two.peers.heard()] == [True]
            await one.close()
            await two.close()
    finally:
        shutil.rmtree(folder)
