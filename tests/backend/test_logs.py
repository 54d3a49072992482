# SPDX-License-Identifier: Apache-2.0
"""Log files: their names, the contents of a line, rotation and removal."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from reangle.runtime import logs
from reangle.runtime.logs import StageLog, job_folder, list_logs, read_log, remove_old_logs, stage_file_name

JOB = "ab" * 16
logger = logging.getLogger("reangle.test")


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Lets a test configure logging as the backend does."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    yield
    logging.captureWarnings(False)
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level


def test_every_camera_name_gives_a_distinct_file_name() -> None:
    cameras = ["left", "Left", "../../x", "a/b", "a b", "CON", "日本", "日本語", "x" * 300, "\0", "C:\\x", "."]
    names = [stage_file_name("warp", camera) for camera in cameras]
    assert len(set(names)) == len(cameras)
    assert all(re.fullmatch(r"warp-[a-z0-9-]{8,60}", name) for name in names)
    assert stage_file_name("decode") == "decode"


def test_every_line_has_time_job_and_stage(tmp_path: Path, own_logging: None) -> None:
    logs.log_to_server_file(tmp_path)
    logger.info("outside")
    with StageLog(tmp_path, JOB, "learn", "left") as log:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("failed")
        log.write_output("Traceback of a library")
        log.write_output("2026-01-02 03:04:05,678 INFO abababab learn left reangle.x: its own")
        with StageLog(tmp_path, "cd" * 16, "learn", "left"):
            logger.info("another job")
    logger.info("after")
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ "
    text = read_log(tmp_path, JOB, list_logs(tmp_path, JOB)[0].stage, 1 << 20)
    assert text is not None
    assert all(re.match(stamp + "abababab learn left ", line) for line in text.splitlines())
    messages = [line.rsplit(": ", 1)[-1] for line in text.splitlines()]
    assert messages[-3:] == ["lines", "Traceback of a library", "its own"]
    server = (tmp_path / "logs" / "server.log").read_text(encoding="utf-8")
    assert all(re.match(stamp, line) for line in server.splitlines())
    assert "- - reangle.test: outside" in server
    assert "abababab learn left reangle.test: failed" in server
    assert "library" not in server


def test_files_rotate_and_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "STAGE_BYTES", 5_000)
    with StageLog(tmp_path, JOB, "decode") as log:
        for number in range(1_000):
            log.write_output(f"line {number}")
    (log_file,) = list_logs(tmp_path, JOB)
    assert log_file.stage == "decode"
    assert 5_000 < log_file.size < 10_500
    text = read_log(tmp_path, JOB, "decode", 2_000)
    assert text is not None
    assert 1_800 < len(text) <= 2_000
    assert text.endswith("line 999\n")
    for name in ("../decode", "decode.log", "absent", "", "../../server"):
        assert read_log(tmp_path, JOB, name, 2_000) is None
    with pytest.raises(ValueError, match="job id"):
        job_folder(tmp_path, "../" + JOB[3:])


def test_unwritable_log_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file in the way")
    with StageLog(tmp_path, JOB, "decode") as log:
        log.write_output("lost")
        logger.error("lost, too")


def test_logs_are_removed_with_their_jobs_and_oldest_first_above_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [f"{number:032x}" for number in range(13)]
    for age, job in enumerate(jobs):
        with StageLog(tmp_path, job, "decode") as log:
            log.write_output("x" * 1000)
        os.utime(job_folder(tmp_path, job) / "decode.log", (1e9 - age, 1e9 - age))
    (tmp_path / "logs" / "server.log").write_text("kept")
    remove_old_logs(tmp_path, jobs[:-1])
    assert [list_logs(tmp_path, job) != [] for job in jobs] == [True] * 12 + [False]
    monkeypatch.setattr(logs, "TOTAL_BYTES", 10_900)
    remove_old_logs(tmp_path, jobs)
    assert [list_logs(tmp_path, job) != [] for job in jobs] == [True] * 10 + [False] * 3
    monkeypatch.setattr(logs, "TOTAL_BYTES", 0)
    remove_old_logs(tmp_path, jobs)
    assert sum(list_logs(tmp_path, job) != [] for job in jobs) == logs.ALWAYS_KEPT
    assert (tmp_path / "logs" / "server.log").exists()
