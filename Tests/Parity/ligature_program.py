"""Finds the built program, and folders below .build that parity runs write to."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".build" / "parity"
RAW_MODELS = Path(os.environ.get("LIGATURE_MODELS", ROOT / ".build" / "models")) / "raw"


def ligature():
    """Path of the program: LIGATURE, else the release build, else the debug build."""
    candidates = [os.environ.get("LIGATURE"), ROOT / ".build/release/ligature", ROOT / ".build/debug/ligature"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    sys.exit("the program is not built; build it with: make build")
