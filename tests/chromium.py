"""Finds the chromium that tests marked `browser` drive.

It is never downloaded: `CHROMIUM` names it, or it is on the PATH. Where there is none the browser
tests are left out and the run says so; with `REQUIRE_BROWSER=1`, as in CI, the run refuses to
start instead.
"""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

HOW_TO_GET_IT = "apt-get install chromium, or CHROMIUM=/path/to/chromium make test"


def find() -> str | None:
    """The path of a chromium, or None.

    Raises FileNotFoundError where `CHROMIUM` names no program.
    """
    named = os.environ.get("CHROMIUM")
    if not named:
        return next(filter(None, map(shutil.which, NAMES)), None)
    path = shutil.which(named)
    if path is None:
        raise FileNotFoundError(f"CHROMIUM={named} is no program that can be run")
    return path


def required() -> bool:
    """Whether a run without a chromium is a failed run."""
    return os.environ.get("REQUIRE_BROWSER", "") not in ("", "0")
