"""Where the tests find the FTP connector: `dist/ftp.wasm`, or what FTP_COMPONENT names."""

from __future__ import annotations

import os
from pathlib import Path

COMPONENT = Path(os.environ.get("FTP_COMPONENT") or Path(__file__).parents[3] / "dist" / "ftp.wasm")
if not COMPONENT.exists():
    raise FileNotFoundError(f"{COMPONENT} is not there; `cargo xtask build` makes it, or set FTP_COMPONENT")
