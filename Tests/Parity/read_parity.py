"""Reads pictures with RapidOCR 1.4.4 (its own pipeline, default settings, ONNX Runtime) and with `ligature read`,
both with the PP-OCRv4 models, and compares line by line.

usage: Tests/Parity/read_parity [--take N] [--minimum PERCENT] [--report FILE] IMAGE|FOLDER…

Of each folder, --take N takes N pictures, evenly spread over its sorted names. A line counts as identical when a
line of the other side has the same text and lies at the same place (no corner more than 8 pixels away). The
percentage is that of identical lines among those of RapidOCR and those that only Ligature has. Exit code 1 below the
minimum (97).

What RapidOCR reads is kept in .build/parity/read, by content of the picture.
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

from ligature_program import WORK, ligature
from reference_pipeline import cached_lines, versions

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
FARTHEST = 8.0


def pictures(arguments, take):
    found = []
    for argument in map(Path, arguments):
        if not argument.is_dir():
            found.append(argument)
            continue
        names = sorted(path for path in argument.iterdir() if path.suffix.lower() in PICTURES)
        step = max(len(names) // take, 1) if take else 1
        found += names[::step][:take] if take else names
    if not found:
        sys.exit("no pictures to read")
    return [str(path) for path in found]


def read(paths):
    """Lines of every picture by the program; its own complaints go to standard error."""
    run = subprocess.run([ligature(), "read", "--json", *paths], stdout=subprocess.PIPE, check=False)
    if run.returncode not in (0, 1):
        sys.exit(f"ligature read failed with exit code {run.returncode}")
    return {page["image"]: page for page in json.loads(run.stdout)}


def distance(a, b):
    return max(abs(p - q) for corner, other in zip(a["polygon"], b["polygon"]) for p, q in zip(corner, other))


def match(reference, lines):
    """Pairs of lines at the same place, nearest first; then what is left on either side."""
    pairs = sorted(
        ((distance(a, b), a["text"] != b["text"], i, j) for i, a in enumerate(reference) for j, b in enumerate(lines)))
    left, right, matched = set(range(len(reference))), set(range(len(lines))), []
    for gap, _, i, j in pairs:
        if gap <= FARTHEST and i in left and j in right:
            left.discard(i)
            right.discard(j)
            matched.append((reference[i], lines[j], gap))
    return matched, [reference[i] for i in sorted(left)], [lines[j] for j in sorted(right)]


def explain(a, b, gap):
    """Why two lines at the same place have other texts."""
    if gap > 0:
        return f"the boxes differ by up to {gap:g} pixels, so another cut was read"
    if a["tied"] and abs(a["score"] - b["score"]) > 1e-4:
        return (
            "the same box and the same cut, in a batch of another width: another line has exactly its proportions, "
            "and RapidOCR's sort leaves open which comes first, where Ligature's keeps reading order"
        )
    if a["text"].replace(" ", "") == b["text"].replace(" ", ""):
        return "the same box; only spaces differ: a blank and a space were about as probable"
    return "the same box and the same cut: the probabilities differ in their last digits where two characters were close"


def compare(paths, reference, pages):
    counts = collections.Counter()
    differences = []

    def note(path, kind, text, detail):
        counts[kind] += 1
        differences.append({"image": path, "kind": kind, "text": text, "detail": detail})

    largest = 0.0
    for path in paths:
        lines = pages.get(path, {}).get("lines")
        if lines is None:
            note(path, "unread", "", pages.get(path, {}).get("error", "the program said nothing about it"))
            lines = []
        matched, missing, extra = match(reference[path], lines)
        counts["reference"] += len(reference[path])
        for a, b, gap in matched:
            counts["moved" if gap > 0 else "same box"] += 1
            if a["text"] == b["text"]:
                counts["identical"] += 1
                largest = max(largest, abs(a["score"] - b["score"]))
            else:
                scores = f"scores {a['score']:.4f} and {b['score']:.4f}"
                note(path, "text", f"{a['text']!r} -> {b['text']!r}", f"{explain(a, b, gap)}; {scores}")
        for line in missing:
            note(path, "missing", repr(line["text"]), f"score {line['score']:.4f}; lines below 0.5 are not reported")
        for line in extra:
            note(path, "extra", repr(line["text"]), f"score {line['score']:.4f}; lines below 0.5 are not reported")
    return counts, differences, largest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+")
    parser.add_argument("--take", type=int, default=0)
    parser.add_argument("--minimum", type=float, default=97)
    parser.add_argument("--report", type=Path, help="write the differences as JSON")
    arguments = parser.parse_args()

    paths = pictures(arguments.images, arguments.take)
    print(f"{len(paths)} pictures; reference: {', '.join(versions())}", flush=True)
    reference = cached_lines(paths, WORK / "read")
    counts, differences, largest = compare(paths, reference, read(paths))

    for difference in differences:
        print(f"{difference['image']}: {difference['kind']} {difference['text']}\n    {difference['detail']}")
    total = counts["reference"] + counts["extra"]
    share = 100 * counts["identical"] / total if total else 100.0
    print(f"lines      {counts['reference']} by RapidOCR, {counts['missing']} missing, {counts['extra']} extra")
    print(f"boxes      {counts['same box']} identical, {counts['moved']} moved by at most {FARTHEST:g} pixels")
    print(f"texts      {counts['identical']} identical, {counts['text']} different; {share:.2f} % of all lines")
    print(f"scores     of identical texts differ by at most {largest:.2g}")
    if arguments.report:
        summary = {"lines": dict(counts), "percent": share, "differences": differences}
        arguments.report.write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    if counts["unread"] or share < arguments.minimum:
        sys.exit(f"read_parity: {share:.2f} % is below {arguments.minimum:g} %, or a picture could not be read")


if __name__ == "__main__":
    main()
