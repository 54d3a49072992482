# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that other machines reach over TLS, and the add-on's client for it."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from reangle.api.listening import Reach, own_names

from reangle_blender.core import backend_process
from reangle_blender.core.address import Address, AddressError, fingerprint_at, read_address, read_fingerprint
from reangle_blender.core.client import CertificateError, Client, UnauthorizedError, UnreachableError
from reangle_blender.core.contract import Clip, GeometrySettings, JobRequest, from_data, new_job_id
from reangle_blender.core.contract.camera_path import CameraPath
from reangle_blender.core.files import file_refs
from tests.backend.server_harness import Backend, camera, serving, wait_for
from tests.backend.test_attacks import refused

pytest.importorskip("cryptography")
TLS = ("--tls", "--port", "0")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("far"), *TLS, "--name", "render-box.example") as backend:
        yield backend


@pytest.fixture(scope="module")
def job(backend: Backend) -> str:
    job = backend.submit("left")
    assert backend.finish(job)["state"] == "done"
    return job


def address_of(backend: Backend) -> Address:
    return read_address(f"https://127.0.0.1:{backend.about['port']}", backend.about["fingerprint"])


def client_of(backend: Backend, fingerprint: str, token: str) -> Client:
    return Client("127.0.0.1", backend.about["port"], token, tls=True, fingerprint=fingerprint, is_remote=True)


def test_only_the_pinned_certificate_is_spoken_to(backend: Backend) -> None:
    right = read_fingerprint(backend.about["fingerprint"])
    token = backend.about["token"]
    assert client_of(backend, right, token).health().pid == backend.process.pid
    assert fingerprint_at(address_of(backend), 5) == right
    wrong = ("0" if right[0] != "0" else "1") + right[1:]
    for _ in range(2):  # the second time on a connection from the pool, if there were one
        with pytest.raises(CertificateError, match="another certificate") as caught:
            client_of(backend, wrong, token).health()
        assert caught.value.is_changed
    with pytest.raises(CertificateError, match="vouches") as caught:
        client_of(backend, "", token).health()
    assert not caught.value.is_changed


def test_a_certificate_that_the_system_trusts_needs_no_fingerprint(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(backend.certificate))
    assert client_of(backend, "", backend.about["token"]).health().pid == backend.process.pid


def test_token_is_needed_and_https_is_not_spoken_in_the_clear(backend: Backend) -> None:
    fingerprint = read_fingerprint(backend.about["fingerprint"])
    with pytest.raises(UnauthorizedError, match="token"):
        client_of(backend, fingerprint, "wrong").jobs()
    with pytest.raises(AddressError, match="empty"):
        backend_process.connect(address_of(backend), " ")
    with pytest.raises(UnreachableError):
        Client("127.0.0.1", backend.about["port"], backend.about["token"]).health()


@pytest.mark.parametrize("headers", [{"Authorization": None}, {"Authorization": "Bearer wrong"}])
def test_attacks_without_the_token(backend: Backend, job: str, headers: dict[str, str | None]) -> None:
    refused(backend, job, 401, headers)


@pytest.mark.parametrize("host", ["evil.example", "render-box.example.evil.example", "10.9.8.7", ""])
def test_foreign_host(backend: Backend, job: str, host: str) -> None:
    refused(backend, job, 403, {"Host": host})


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:{port}", "null"])
def test_foreign_origin(backend: Backend, job: str, origin: str) -> None:
    refused(backend, job, 403, {"Origin": origin.format(port=backend.about["port"])})


def test_names_that_the_machine_was_given_are_known(backend: Backend) -> None:
    token = ("Authorization", f"Bearer {backend.about['token']}")
    for name, status in (("render-box.example", 200), ("RENDER-BOX.example:443", 200), ("render-box.other", 403)):
        assert backend.raw("GET", "/v1/health", [("Host", name), token])[0] == status


def test_a_whole_job_of_another_machine(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "clip é.mp4").write_bytes(os.urandom(3_000_000))
    (tmp_path / "depth.npz").write_bytes(b"far depth")
    refs, places = file_refs([tmp_path / "clip é.mp4", tmp_path / "depth.npz"])
    request = JobRequest(
        id=new_job_id(),
        clip=Clip(files=refs[:1]),
        geometry=GeometrySettings("files", "files", files=refs[1:]),
        paths=(from_data(CameraPath, camera("Left é")),),
    )
    far = backend_process.connect(address_of(backend), f" {backend.about['token']}\n")
    assert far.is_remote
    assert far.client.upload(places) == 2
    far.client.submit(request)
    wait_for(lambda: far.client.job(request.id).is_final)
    assert far.client.job(request.id).state == "done"
    since = far.client.events(request.id)
    assert since.events[-1].state == "done"
    (result,) = [result for result in far.client.results(request.id) if result.name == "cameras/Left é"]
    assert all(path.is_file() for path in far.client.download(request.id, result, tmp_path / "here"))
    # It is left, not ended.
    backend_process.stop(far)
    assert backend.process.poll() is None
    with pytest.raises(UnreachableError, match="was ended"):
        far.client.jobs()
    # A Blender on that machine finds it, too, and knows it by the fingerprint in its server file.
    near = backend_process.find(backend.data)
    assert near is not None
    assert (near.pid, near.is_remote) == (backend.process.pid, False)


def test_other_machines_reach_it_by_its_address(tmp_path: Path) -> None:
    own = [name for name in own_names() if name.count(".") == 3 and name[0].isdigit() and not name.startswith("127.")]
    if not own:
        pytest.skip("this machine has loopback alone")
    with serving(tmp_path, *TLS, "--host", own[0]) as backend:
        for host in (own[0], "127.0.0.1"):
            address = read_address(f"https://{host}:{backend.about['port']}", backend.about["fingerprint"])
            assert backend_process.connect(address, backend.about["token"]).pid == backend.process.pid
    names = Reach("0.0.0.0", tls=True).allowed_names()
    assert own[0] in names
    assert "0.0.0.0" not in names
    assert Reach("127.0.0.1").allowed_names() == {"127.0.0.1", "localhost", "::1"}


def test_certificate_and_token_stay_and_belong_to_their_owner(tmp_path: Path) -> None:
    with serving(tmp_path, *TLS) as backend:
        before = backend.about
        backend.stop()
        backend.start()
        assert backend.about["pid"] != before["pid"]
        assert [backend.about[name] for name in ("token", "fingerprint")] == [before["token"], before["fingerprint"]]
        if sys.platform != "win32":
            for name, mode in (("", 0o700), ("key.pem", 0o600), ("token", 0o600)):
                assert stat.S_IMODE((backend.data / "remote" / name).stat().st_mode) == mode
        backend.process.terminate()
        words, trouble = backend.process.communicate(timeout=30)
        for part in (f":{backend.about['port']}", before["token"], before["fingerprint"]):
            assert part in words
        assert trouble == ""
        logs = [path for path in (backend.data / "logs").rglob("*") if path.is_file()]
        assert not any(before["token"] in path.read_text() for path in logs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "needs --tls"),
        (("--host", "::"), "needs --tls"),
        (("--tls", "--cert", "cert.pem"), "belong together"),
        (("--tls", "--cert", "cert.pem", "--key", "cert.pem"), "cert.pem cannot be used"),
        (("--tls", "--host", "no.such.name.invalid"), "is no address"),
    ],
)
def test_what_would_be_open_or_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    from reangle.api.serve import run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "cert.pem").write_text("no certificate")
    told: list[str] = []
    monkeypatch.setattr("builtins.print", lambda *words, **_: told.append(" ".join(map(str, words))))
    assert run(["--data", str(tmp_path / "data"), *arguments]) == 2
    assert len(told) == 1
    assert words in told[0]


def test_a_port_that_others_know_is_not_changed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError, match="cannot be listened on"), serving(tmp_path, "--tls", "--port", port):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process")
@pytest.mark.parametrize("content", [b"", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_strangers_before_the_handshake_take_no_descriptors(tmp_path: Path, content: bytes) -> None:
    with serving(tmp_path, *TLS) as backend, contextlib.ExitStack() as stack:
        psutil.Process(backend.process.pid).rlimit(psutil.RLIMIT_NOFILE, (256, 256))
        strangers = []
        for _ in range(400):
            strangers.append(stack.enter_context(socket.create_connection(("127.0.0.1", backend.about["port"]), 10)))
            with contextlib.suppress(OSError):
                strangers[-1].sendall(content)
        assert psutil.Process(backend.process.pid).num_fds() < 200
        started = time.monotonic()
        assert backend.get("/v1/health")
        assert time.monotonic() - started < 5
        # Those that are left have not much longer for their handshake than others for their headers.
        wait_for(lambda: psutil.Process(backend.process.pid).num_fds() < 60, 20)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1:80", "http://render-box:8443", "http://localhost.evil.example:1", "http://0.0.0.0:1"]
)
def test_no_address_is_used_in_the_clear(url: str) -> None:
    with pytest.raises(AddressError, match="not this machine"):
        read_address(url)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x:1", "https://", "https://a b", "https://x:99999", "https://u:p@x", "https://x/v1", "http://[::1"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        read_address(url)


def test_addresses_as_artists_write_them() -> None:
    found = [read_address(url).url for url in ("render-box", " https://[fd00::2]:1/", "http://localhost:7000")]
    assert found == ["https://render-box:8443", "https://[fd00::2]:1", "http://127.0.0.1:7000"]
    assert read_fingerprint("SHA256:" + "AB:" * 31 + "CD") == "ab" * 31 + "cd"
    with pytest.raises(AddressError):
        read_address("https://x", "AB:CD")
