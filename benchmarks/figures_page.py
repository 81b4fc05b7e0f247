"""The benchmarks page of the documents, and the table of README.md, from the files of `benchmarks/results/`.

    python benchmarks/figures_page.py

`make figures` measures everything again before. A test holds both to the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from endings import run_script
from results import RESULTS, Figure, Results, read_results

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "reference" / "benchmarks.md"
README = REPO / "README.md"
BEGIN, END = "<!-- figures: python benchmarks/figures_page.py -->\n", "<!-- end of figures -->\n"
ORDER = ("stream", "engines", "browser", "demo")
IN_README = ("stream_jf", "stream_on_time", "stream_step", "encode_672x448", "decode", "browser_672x448")
INTRODUCTION = """# Benchmarks

What is measured, on which machine, and how to measure it again. The tables are written by `make figures` from the files
of `benchmarks/results/`, which the benchmarks write. The peer runs in the same run and takes turns with sam-edge.

"""
SOURCES = """
## What the commands need

```bash
make models                            # the official weights mobile_sam.pt and the published decoder, in .cache/models
python benchmarks/peer_encoder.py      # the official encoder as ONNX, 1024x1024 in fp32
make page                              # onnxruntime-web, for the decoder in the browser; and Chromium
```

DAVIS is a folder with the data set *DAVIS 2016, 480p*: download it from
[davischallenge.org](https://davischallenge.org/davis2016/code.html) and unpack it; it has `JPEGImages/480p` and
`Annotations/480p`. The published figures are of nine sequences of its validation set: blackswan, breakdance,
car-shadow, dog, drift-straight, horsejump-high, libby, motocross-jump and parkour (`--sequences` chooses them).

The observer who looks (`observer.py`), the scores J and F (`mask_scores.py`) and the peer (`published_pipeline.py`) are
scripts of `benchmarks/`. `bench_gallery.py` and `bench_aois.py` need galleries, simulated head-mounted recordings. Make
one with `python benchmarks/gallery.py DAVIS out/A0 --sequences dog blackswan car-shadow horsejump-high --seed 0`. The
other benchmarks there say in their `--help` what they measure and what they need.

Figures that are not in these tables stand in the guides: [profiling](../how-to/profiling.md),
[areas of interest](../how-to/aoi.md), [batches](../how-to/batch.md).
"""


def read_all() -> dict[str, Results]:
    """Read every file of results, by the benchmark's name."""
    return {path.stem: read_results(path) for path in sorted(RESULTS.glob("*.json"))}


def figures_of(results: Mapping[str, Results]) -> dict[str, Figure]:
    """Return all figures by their keys."""
    return {figure.key: figure for result in results.values() for figure in result.figures}


def conditions(result: Results) -> str:
    """Return machine, threads and versions in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return f"{result.machine}, {result.cores} cores, {result.threads} threads; {versions}."


def table(result: Results) -> str:
    """Return the table of one benchmark."""
    lines = ["| what | sam-edge | peer |", "| --- | --- | --- |"]
    lines += [f"| {one.what} | {one.text(one.value)} | {one.text(one.peer)} |" for one in result.figures]
    return "\n".join(lines)


def render_page(results: Mapping[str, Results]) -> str:
    """Return the benchmarks page."""
    ordered = [results[name] for name in (*ORDER, *sorted(set(results) - set(ORDER))) if name in results]
    parts = [INTRODUCTION]
    shared = {conditions(result) for result in ordered}
    if len(shared) == 1:
        parts.append(f"Measured on {shared.pop()}\n\n")
    for result in ordered:
        parts.append(f"## {result.name}\n\n```bash\n{result.command}\n```\n\n")
        if len({conditions(one) for one in ordered}) > 1:
            parts.append(f"Measured on {conditions(result)}\n\n")
        parts.append(f"{table(result)}\n\n")
        if result.peer:
            parts.append(f"The peer: {result.peer}.\n\n")
    return "".join(parts).rstrip("\n") + "\n" + SOURCES


def render_readme_table(results: Mapping[str, Results]) -> str:
    """Return README's table, with the lines that mark it."""
    found = figures_of(results)
    rows = [found[key] for key in IN_README if key in found]
    machine = results[ORDER[0]].machine if ORDER[0] in results else next(iter(results.values())).machine
    cores = next(iter(results.values())).cores
    lines = [
        f"On {machine}, {cores} cores. The peer, in the same run: the published MobileSAM files on ONNX Runtime.",
        "",
        "| what | sam-edge | peer |",
        "| --- | --- | --- |",
        *(f"| {one.what} | {one.text(one.value)} | {one.text(one.peer)} |" for one in rows),
        "",
        "How, and how to measure it again: [benchmarks](docs/reference/benchmarks.md).",
    ]
    return BEGIN + "\n".join(lines) + "\n" + END


def replace_table(readme: str, table_text: str) -> str:
    """Return README's text with another table between the marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table_text + after


def main() -> None:
    """Write both."""
    results = read_all()
    PAGE.write_text(render_page(results), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(replace_table(text, render_readme_table(results)), encoding="utf-8")
    print(f"{PAGE.relative_to(REPO)}, {README.relative_to(REPO)}: {len(figures_of(results))} figures")


if __name__ == "__main__":
    run_script(main)
