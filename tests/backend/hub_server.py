# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers like the Hugging Face hub, for its own client library."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40
LFS_BYTES = 1000
"""Larger files are stored by their SHA-256, smaller ones in git."""
PATIENCE_S = 120


@dataclass
class Hub:
    """What the server offers. repositories: name -> folder. gated: names that want `token`.

    cuts: file name -> bytes after which the connection breaks, once for each entry of the list. damaged: names of files
    that come with a byte changed. pauses: file name -> bytes after which the server waits until `go_on` is set.
    sizes: file name -> size that is announced in place of the true one. requests: method, path and Range of each.
    """

    repositories: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    token: str = "hf_secret"
    cuts: dict[str, list[int]] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    pauses: dict[str, int] = field(default_factory=dict)
    go_on: threading.Event = field(default_factory=threading.Event)
    sizes: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def hub_server(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends; `hub.url` is the server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("Range", "")))
            if path.startswith("/api/models/"):
                name = "/".join(path.split("/")[3:5])
                if not self._refused(name):
                    self._json(_about(hub, name))
                return
            owner, repository, _, _, file = path.lstrip("/").split("/", 4)
            if not self._refused(f"{owner}/{repository}"):
                self._file(f"{owner}/{repository}", file, body=body)

        def _refused(self, name: str) -> bool:
            if name not in hub.repositories:
                self._error(404, "RepoNotFound")
                return True
            if name in hub.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self._error(401, "GatedRepo")
                return True
            return False

        def _error(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _json(self, answer: object) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _file(self, name: str, file: str, *, body: bool) -> None:
            content = (hub.repositories[name] / file).read_bytes()
            etag = _etag(content)
            if file in hub.damaged:
                content = content[:-1] + bytes([content[-1] ^ 1])
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0]) if self.headers["Range"] else 0
            part = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if not body:
                return
            cuts = hub.cuts.get(file)
            if (pause := hub.pauses.get(file)) and pause > start:
                with suppress(OSError):  # the client may be ended meanwhile
                    self.wfile.write(part[: pause - start])
                    self.wfile.flush()
                    hub.go_on.wait(PATIENCE_S)
                    self.wfile.write(part[pause - start :])
            elif cuts:
                self.wfile.write(part[: cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
            else:
                self.wfile.write(part)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _etag(content: bytes) -> str:
    if len(content) > LFS_BYTES:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _about(hub: Hub, name: str) -> dict[str, object]:
    folder = hub.repositories[name]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    siblings = []
    for path in files:
        content = path.read_bytes()
        one: dict[str, object] = {
            "rfilename": path.relative_to(folder).as_posix(),
            "size": hub.sizes.get(path.name, len(content)),
        }
        if len(content) > LFS_BYTES:
            one |= {"blobId": "f" * 40, "lfs": {"size": len(content), "sha256": _etag(content), "pointerSize": 134}}
        else:
            one |= {"blobId": _etag(content)}
        siblings.append(one)
    return {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
