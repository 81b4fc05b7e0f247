# The same commands by hand and in CI. Each makes the virtual environment that it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0

.PHONY: demo test docs lint assets models page bench bench-peer bench-stream figures bench-serve bench-profile fuzz soak tour release-check lowest clean

demo: $(VENV)/.base
	$(BIN)/sam-edge demo

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m alone
	$(BIN)/pytest -n 2 --dist loadfile -m "not alone"

# The documentation site, in out/docs: open out/docs/index.html. A dead link or a public name without a docstring is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -j auto docs out/docs
	@echo "open out/docs/index.html"

lint: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The model in the package, exported again from the official checkpoint. CALIBRATION is a folder of photographs.
assets: $(VENV)/.test models
	$(BIN)/sam-edge export --checkpoint .cache/models/mobile_sam.pt --precision int8 \
		--calibration $(CALIBRATION) --out sam_edge/assets/mobile_sam
	$(BIN)/python -m sam_edge.exporters.browser_decoder sam_edge/assets/mobile_sam
	$(BIN)/python -m sam_edge.exporters.follower sam_edge/assets/mobile_sam --weights exporters/follower.safetensors \
		--checkpoint .cache/models/mobile_sam.pt

# The official weights and the published references that the parity tests compare with.
models: $(VENV)/.test
	$(BIN)/python .ci/fetch_models.py

# onnxruntime-web, from npm, for the page that `sam-edge serve` shows: with it the decoder runs in the browser, too.
page: $(VENV)/bin/python
	$(BIN)/python .ci/fetch_page.py

# The peer's encoder as ONNX, exported once from the official code and weights.
bench-peer: models
	test -f .cache/models/peer_encoder_1024.onnx || $(BIN)/python benchmarks/peer_encoder.py

# The figures of engines and exports, asked beside measured, and the peer. BENCH takes its options, for example
# make bench BENCH="--accuracy COCO128 --json bench.json"; see `bench_engines.py --help`.
bench: bench-peer
	$(BIN)/python benchmarks/bench_engines.py $(BENCH)

# Selection in live video on any folder like DAVIS; see `bench_stream.py --help`. BENCH takes its options, for example
# make bench-stream BENCH="--data DAVIS --peer"
bench-stream: $(VENV)/.base
	$(BIN)/python benchmarks/bench_stream.py $(BENCH)

# Every figure of docs/reference/benchmarks.md and of README's table again, on a quiet machine; minutes. DAVIS is the
# folder of the data set: make figures DAVIS=DAVIS-data
figures: bench-peer page
	$(BIN)/python benchmarks/bench_stream.py --data $(DAVIS) --modes realtime --seeds 0 --peer \
		--results benchmarks/results/stream.json
	$(BIN)/python benchmarks/bench_engines.py --results benchmarks/results/engines.json
	$(BIN)/python benchmarks/bench_demo.py --realtime --results benchmarks/results/demo.json
	$(BIN)/python benchmarks/bench_browser.py --published .cache/models/sam_decoder_published.onnx \
		--results benchmarks/results/browser.json
	$(BIN)/python benchmarks/figures_page.py

# The server over loopback: latency above a session in the program, one client for a minute, four at once.
bench-serve: $(VENV)/.test
	$(BIN)/python benchmarks/bench_serve.py $(BENCH)

# The profile beside pytest-benchmark, two profiles beside each other, what tracing costs.
bench-profile: $(VENV)/.test
	$(BIN)/python benchmarks/bench_profile.py $(BENCH)

# Every parser of bytes from outside, a minute each; FUZZ takes options, for example
# make fuzz FUZZ="gaze-csv coco --seconds 600 --jobs 2"; see `python -m tests.fuzz --help`.
fuzz: $(VENV)/.test
	$(BIN)/pip install --quiet "atheris>=3.0" || echo "no atheris here: inputs are made without looking at the code"
	$(BIN)/python -m tests.fuzz $(FUZZ)

# Hours: a live session, a server with clients that come and go, gaze sources under faults; see `soak.py --help`.
# SOAK takes its options, for example make soak SOAK="--minutes 60 --json soak.json"
soak: $(VENV)/.test
	$(BIN)/python benchmarks/soak.py $(SOAK)

# The notebook among the examples, executed again in place.
tour: $(VENV)/.test
	$(BIN)/python .ci/execute_notebook.py examples/tour.ipynb

# What a release would upload: built, checked, installed away from the sources, and the demo run. See RELEASING.md.
# RELEASE takes options, for example make release-check RELEASE="--tag v0.1.0"
release-check: $(VENV)/bin/python
	$(BIN)/pip install --quiet "build>=1.2" "twine>=6.1"
	$(BIN)/python .ci/release_check.py $(RELEASE)

# The core tests against the lowest versions that pyproject.toml allows; LOWEST takes options, see `lowest.py --help`.
lowest: $(VENV)/bin/python
	$(BIN)/pip install --quiet "uv>=0.8"
	$(BIN)/python .ci/lowest.py $(LOWEST)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet -e ".[serve,openvino]"
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet "$(TORCH)" -e ".[all,test]"
	touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/.base
	$(BIN)/pip install --quiet "$(TORCH)" -e ".[docs,all]"
	touch $@

clean:
	rm -rf $(VENV) .venv-lowest out build dist .cache *.egg-info
