#!/usr/bin/env python3
"""Measures the fixed set of models against ONNX Runtime and OpenVINO and writes the tables of README.md.

    Tests/Parity/venv.sh --openvino            # once: Python with both
    Models/fetch && Models/fetch --raw --ddddocr
    Tests/Performance/measure.py cases         # latency of each model of the set, on one and two threads
    Tests/Performance/measure.py starts        # memory and start of each, without and with --cache
    Tests/Performance/measure.py scaling       # the cost over image sizes and batch sizes
    Tests/Performance/measure.py limits        # share of the machine's own peak, by kind of convolution
    Tests/Performance/measure.py tables        # writes what was measured into the two README.md

Each replaces what it measures in results.json and leaves the rest, so that `--only` measures a part anew.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent

# name, file, input, sizes
CASES = [
    ("PP-OCRv4 det 640x640", "ppocrv4-det", "x", "1x3x640x640"),
    ("PP-OCRv4 det 736x1280", "ppocrv4-det", "x", "1x3x736x1280"),
    ("PP-OCRv4 rec 48x320", "ppocrv4-rec", "x", "1x3x48x320"),
    ("PP-OCRv4 rec 48x320, batch 6", "ppocrv4-rec", "x", "6x3x48x320"),
    ("PP-OCR cls 48x192, batch 6", "ppocrv4-cls", "x", "6x3x48x192"),
    ("ddddocr BiLSTM 64x128", "raw/ddddocr-common", "input1", "1x1x64x128"),
    ("CRNN 32x100", "crnn", "image", "1x1x32x100"),
    ("CRNN 32x100, batch 32", "crnn", "image", "32x1x32x100"),
    ("DBNet r18 640x640", "dbnet-r18", "image", "1x3x640x640"),
    ("DBNet r50 640x640", "dbnet-r50", "image", "1x3x640x640"),
    ("DBNet r50-DCN 640x640", "dbnet-r50-dcn", "image", "1x3x640x640"),
]
EXPORTED = {
    "crnn": ["CRNN"],
    "dbnet-r18": ["DBNet"],
    "dbnet-r50": ["DBNet", "--option", "depth=50"],
    "dbnet-r50-dcn": ["DBNet", "--option", "depth=50", "--option", "dcn=2,3,4"],
}
SCALING = [
    ("PP-OCRv4 det", "ppocrv4-det", "x", ["1x3x%dx%d" % (n, n) for n in range(320, 2241, 320)]),
    ("DBNet r18", "dbnet-r18", "image", ["1x3x%dx%d" % (n, n) for n in range(320, 2241, 320)]),
    ("PP-OCRv4 rec 48x320", "ppocrv4-rec", "x", ["%dx3x48x320" % n for n in (1, 2, 4, 6, 8, 16, 32)]),
    ("CRNN 32x100", "crnn", "image", ["%dx1x32x100" % n for n in (1, 2, 4, 8, 16, 32)]),
]
ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


class Measurement:
    def __init__(self, options):
        self.options = options
        self.path = pathlib.Path(options.results)
        self.results = json.loads(self.path.read_text()) if self.path.exists() else {}

    def save(self):
        self.path.write_text(json.dumps(self.results, indent=1, sort_keys=True) + "\n")

    def program(self, *arguments):
        """Runs ligature; what it prints, read as JSON. A check that did not hold (1) still prints."""
        command = [self.options.program, *arguments]
        outcome = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if outcome.returncode not in (0, 1) or not outcome.stdout:
            sys.exit("failed: " + " ".join(command))
        return json.loads(outcome.stdout)

    def model(self, name):
        folder = pathlib.Path(self.options.models)
        path = folder / f"{name}.onnx"
        if not path.exists() and name in EXPORTED:
            made = pathlib.Path(self.options.exported)
            made.mkdir(parents=True, exist_ok=True)
            path = made / f"{name}.onnx"
            if not path.exists():
                subprocess.run(
                    [self.options.program, "export", *EXPORTED[name], "-o", str(path)], check=True,
                    stdout=subprocess.DEVNULL)
        if not path.exists():
            sys.exit(f"{path} is missing; fetch it with: Models/fetch, and Models/fetch --raw --ddddocr")
        return str(path)

    @staticmethod
    def revision():
        """Of the sources that the program is taken to be built from."""
        command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip() or "unknown"

    def wanted(self, name):
        return not self.options.only or any(part in name for part in self.options.only.split(";"))

    def threads(self):
        return [int(part) for part in self.options.threads.split(",")]

    # ── Measuring ─────────────────────────────────────────────────────────────
    def cases(self):
        for name, model, given, sizes in CASES:
            if not self.wanted(name):
                continue
            report = self.program(
                "bench", self.model(model), "--shape", f"{given}={sizes}", "--threads", self.options.threads,
                "--against", self.options.against, "--python", self.options.python, "--seconds",
                str(self.options.seconds), "--runs", str(self.options.rounds), "--starts", str(self.options.starts),
                "--json")
            entry = self.results.setdefault("cases", {}).setdefault(name, {})
            self.results["processor"] = report["processor"]
            for comparison in report["comparisons"]:
                engines = {}
                for result in comparison["results"]:
                    result["date"] = report["date"][:10]
                    result["revision"] = self.revision()
                    engines[result.pop("engine")] = result
                entry[str(comparison["threads"])] = engines
                print(f"{name}, {comparison['threads']} thread(s): {self.line(engines)}", flush=True)
            self.save()

    def starts(self):
        """Memory, loading and the first run, of which `cases` measures too few for small differences."""
        for name, model, given, sizes in CASES:
            if not self.wanted(name):
                continue
            entry = self.results.setdefault("starts", {}).setdefault(name, {})
            with tempfile.TemporaryDirectory() as folder:
                for key, against, extra in [
                    ("plain", self.options.against, []), ("cache", "onnxruntime", ["--cache", folder])
                ]:
                    report = self.program(
                        "bench", self.model(model), "--shape", f"{given}={sizes}", "--threads", "1", "--against",
                        against, "--python", self.options.python, "--seconds", "0.02", "--runs", "1", "--starts",
                        str(max(self.options.starts, 3)), "--json", *extra)
                    engines = {}
                    for result in report["comparisons"][0]["results"]:
                        engines[result["engine"]] = {
                            key: result[key]
                            for key in ["load", "firstRun", "peakResident", "residentBefore", "startRatio"]
                            if key in result}
                    entry[key] = engines
            entry["date"] = report["date"][:10]
            entry["revision"] = self.revision()
            plain, cache = entry["plain"], entry["cache"]
            print(
                f"{name}: {start(plain['ligature']):.1f} ms, with --cache {start(cache['ligature']):.1f} ms; ONNX Runtime "
                f"{start(plain['onnxruntime']):.1f} and {start(cache['onnxruntime']):.1f} ms", flush=True)
            self.save()

    @staticmethod
    def line(engines):
        text = f"{engines['ligature']['latency']['median']:.3f} ms"
        for engine, name in ENGINES.items():
            if engine not in engines:
                continue
            result = engines[engine]
            if "error" in result:
                text += f"; {name}: {result['error'][:90]}"
            else:
                ratio = result["ratio"]
                text += (
                    f"; {name} {result['latency']['median']:.3f} ms, ratio {ratio['value']:.3f} "
                    f"({ratio['low']:.3f}–{ratio['high']:.3f})")
        return text

    def scaling(self):
        for name, model, given, shapes in SCALING:
            if not self.wanted(name):
                continue
            rows = self.results.setdefault("scaling", {}).setdefault(name, {})
            for sizes in shapes:
                shape = ["--shape", f"{given}={sizes}"]
                report = self.program(
                    "bench", self.model(model), *shape, "--threads", "1", "--runs", "5", "--seconds", "0.4",
                    "--memory-limit", "8GiB", "--json")
                plan = self.program("inspect", self.model(model), *shape, "--json")["plan"]
                rows[sizes] = {
                    "median": report["median"], "minimum": report["minimum"], "arena": report["arena"],
                    "multiplyAdds": plan["multiplyAdds"]}
                print(name, sizes, f"{report['minimum']:.3f} ms", flush=True)
            self.save()

    def limits(self):
        for name, model, given, sizes in CASES:
            if not self.wanted(name):
                continue
            report = self.program(
                "profile", self.model(model), "--shape", f"{given}={sizes}", "--threads", "1", "--runs", "5", "--json")
            self.results.setdefault("limits", {})[name] = {
                "machine": report["machine"], "kinds": report["kinds"], "total": report["total"],
                "revision": self.revision()}
            print(name, flush=True)
            self.save()

    # ── Tables ────────────────────────────────────────────────────────────────
    def tables(self):
        replace(here / "README.md", "cases", self.case_table(details=True))
        replace(here / "README.md", "memory", self.memory_table())
        replace(here / "README.md", "scaling", self.scaling_table())
        replace(here / "README.md", "limits", self.limit_table())
        replace(root / "README.md", "speed", self.case_table(details=False))

    def measured(self):
        """(name, {threads: engines}) in the order of the set."""
        cases = self.results.get("cases", {})
        return [(case[0], cases[case[0]]) for case in CASES if case[0] in cases]

    def versions(self):
        found = {}
        dates, revisions = set(), set()
        for _, entry in self.measured():
            for engines in entry.values():
                for engine, result in engines.items():
                    dates.add(result["date"])
                    revisions.add(result["revision"])
                    if result.get("version"):
                        found[engine] = result["version"]
        versions = ", ".join(f"{name} {found[engine]}" for engine, name in ENGINES.items() if engine in found)
        which = " and ".join(sorted(revisions))
        return f"{max(dates)}, {self.results['processor']}, revision {which}, {versions}, float32"

    def case_table(self, details):
        counts = sorted({int(count) for _, entry in self.measured() for count in entry})
        lines = [f"Measured {self.versions()}. Milliseconds (median), and ratios ours / theirs: below 1 we are faster.", ""]
        header = ["model"]
        for count in counts:
            at = f"{count} thread" + ("s" if count > 1 else "")
            header += [f"{at}: ours", *(f"/ {name}" for name in ENGINES.values())]
        lines += row(header) + row(["---"] * len(header))
        ratios = {}
        for name, entry in self.measured():
            cells = [name]
            for count in counts:
                engines = entry.get(str(count))
                if not engines:
                    cells += ["–"] * (1 + len(ENGINES))
                    continue
                cells.append(number(engines["ligature"]["latency"]["median"]))
                for engine in ENGINES:
                    result = engines.get(engine, {})
                    if "ratio" not in result:
                        cells.append("cannot run it" if "error" in result else "–")
                        continue
                    ratio = result["ratio"]
                    ratios.setdefault((count, engine), []).append(ratio["value"])
                    text = f"{ratio['value']:.2f}"
                    if details:
                        text += f" ({ratio['low']:.2f}–{ratio['high']:.2f})"
                    cells.append(text)
            lines += row(cells)
        cells = ["**geometric mean**"]
        for count in counts:
            cells.append("")
            for engine in ENGINES:
                values = ratios.get((count, engine), [])
                mean = math.exp(sum(map(math.log, values)) / len(values)) if values else None
                cells.append(f"**{mean:.2f}**" if values else "–")
        lines += row(cells)
        if details:
            lines += self.refusals()
        return lines

    def refusals(self):
        lines = []
        for name, entry in self.measured():
            said = {}
            for engines in entry.values():
                for engine, result in engines.items():
                    if "error" in result:
                        said[engine] = " ".join(result["error"].split())
            for engine, text in said.items():
                # The gist is at the end of a long story.
                text = text if len(text) < 400 else text[:100] + " … " + text[-250:]
                lines += ["", f"{name}: {ENGINES.get(engine, engine)} says `{text}`"]
        return lines

    def memory_table(self):
        starts = self.results.get("starts", {})
        names = [case[0] for case in CASES if case[0] in starts]
        if not names:
            return ["Not measured yet: `Tests/Performance/measure.py starts tables`."]
        dates = max(starts[name]["date"] for name in names)
        which = " and ".join(sorted({starts[name]["revision"] for name in names}))
        lines = [f"Measured {dates}, revision {which}, with one thread.", ""]
        header = ["model", "peak: ours"] + [f"/ {name}" for name in ENGINES.values()]
        header += ["load + first run: ours"] + [f"/ {name}" for name in ENGINES.values()]
        header += ["with `--cache`", "/ ONNX Runtime", "peak", "/ ONNX Runtime"]
        lines += row(header) + row(["---"] * len(header))
        means = {}

        def ratio(column, value, text=None):
            means.setdefault(column, []).append(value)
            return text or f"{value:.2f}"

        for name in names:
            plain, cache = starts[name]["plain"], starts[name]["cache"]
            ours = plain["ligature"]
            cells = [name, f"{ours['peakResident'] / 2**20:.0f} MiB"]
            for engine in ENGINES:
                result = plain.get(engine, {})
                if not result.get("peakResident"):
                    cells.append("–")
                    continue
                above = (ours["peakResident"] - ours["residentBefore"]) / (
                    result["peakResident"] - result["residentBefore"])
                means.setdefault((engine, "above"), []).append(above)
                whole = ratio((engine, "whole"), ours["peakResident"] / result["peakResident"])
                cells.append(f"{whole} ({above:.2f})")
            cells.append(f"{start(ours):.0f} ms")
            for engine in ENGINES:
                result = plain.get(engine, {})
                cells.append(ratio((engine, "start"), start(ours) / start(result)) if "load" in result else "–")
            ours, theirs = cache["ligature"], cache["onnxruntime"]
            cells += [f"{start(ours):.0f} ms", ratio("cached start", start(ours) / start(theirs))]
            cells += [
                f"{ours['peakResident'] / 2**20:.0f} MiB",
                ratio("cached peak", ours["peakResident"] / theirs["peakResident"])]
            lines += row(cells)

        def mean(column):
            values = means.get(column, [])
            return f"{math.exp(sum(map(math.log, values)) / len(values)):.2f}" if values else "–"

        cells = ["**geometric mean**", ""]
        cells += [f"**{mean((engine, 'whole'))}** ({mean((engine, 'above'))})" for engine in ENGINES]
        cells += [""] + [f"**{mean((engine, 'start'))}**" for engine in ENGINES]
        cells += ["", f"**{mean('cached start')}**", "", f"**{mean('cached peak')}**"]
        return lines + row(cells)

    def scaling_table(self):
        if not self.results.get("scaling"):
            return ["Not measured yet: `Tests/Performance/measure.py scaling tables`."]
        lines = row(["model", "input", "ms", "Gmul-add", "ns / kmul-add", "arena"]) + row(["---"] * 6)
        for name, _, _, shapes in SCALING:
            rows = self.results.get("scaling", {}).get(name, {})
            for sizes in shapes:
                if sizes not in rows:
                    continue
                found = rows[sizes]
                work = found["multiplyAdds"]
                lines += row([
                    name, sizes, number(found["minimum"]), f"{work / 1e9:.3f}",
                    f"{found['minimum'] * 1e9 / work:.1f}", f"{found['arena'] / 2**20:.1f} MiB"])
        return lines

    def whole_shares(self, limits):
        """The operations of a whole model over its median latency on one thread, as shares of our GEMM peak."""
        lines = row(["model", "ours", *ENGINES.values()]) + row(["---"] * (2 + len(ENGINES)))
        for name, entry in self.measured():
            if name not in limits or "1" not in entry:
                continue
            work = 2e-6 * sum(kind["multiplyAdds"] for kind in limits[name]["kinds"])
            peak = limits[name]["machine"]["gigaflops"]
            cells = [name]
            for engine in ["ligature", *ENGINES]:
                latency = entry["1"].get(engine, {}).get("latency")
                cells.append(f"{work / latency['median'] / peak * 100:.0f} %" if latency else "–")
            lines += row(cells)
        return lines

    def limit_table(self):
        limits = self.results.get("limits", {})
        lines = self.whole_shares(limits) + [""]
        header = ["model", "kind", "nodes", "share of time", "GFLOP/s", "share of GEMM peak", "GB/s"]
        for name, *_ in CASES:
            if name not in limits:
                continue
            if header:
                machine = limits[name]["machine"]
                lines += [
                    f"Revision {limits[name]['revision']}; measured GEMM peak of one thread "
                    f"{machine['gigaflops']:.0f} GFLOP/s, copying {machine['gigabytes']:.1f} GB/s.", ""] + row(header) + row(["---"] * len(header))
                header = []
            for kind in limits[name]["kinds"]:
                rates = kind["rates"]
                if rates["share"] < 0.03:
                    continue
                lines += row([
                    name, kind["name"], str(kind["nodes"]), f"{rates['share'] * 100:.0f} %",
                    f"{rates['gigaflops']:.0f}", f"{rates['peakShare'] * 100:.0f} %" if rates["gigaflops"] else "–",
                    f"{rates['gigabytes']:.1f}"])
        return lines


def number(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def row(cells):
    return ["| " + " | ".join(cells) + " |"]


def start(result):
    return result["load"] + result["firstRun"]


def replace(path, name, lines):
    """Puts lines between the markers of that name."""
    text = path.read_text()
    start, end = f"<!-- {name}: measured -->\n", f"<!-- {name}: end -->"
    if text.count(start) != 1 or text.count(end) != 1:
        sys.exit(f"{path} lacks the markers '{start.strip()}' and '{end}'")
    before, rest = text.split(start)
    after = rest.split(end)[1]
    path.write_text(before + start + "\n".join(lines) + "\n" + end + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["cases", "starts", "scaling", "limits", "tables"])
    parser.add_argument("--program", default=str(root / ".build/release/ligature"))
    parser.add_argument("--python", default=str(root / ".build/parity-venv/bin/python"))
    parser.add_argument("--models", default=os.environ.get("LIGATURE_MODELS", str(root / ".build/models")))
    parser.add_argument("--exported", default=str(root / ".build/performance"))
    parser.add_argument("--results", default=str(here / "results.json"))
    parser.add_argument("--against", default="onnxruntime,openvino")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--only", help="parts of names, separated by semicolons")
    options = parser.parse_args()
    measurement = Measurement(options)
    for what in options.what:
        getattr(measurement, what)()


if __name__ == "__main__":
    main()
