# Everything a newcomer needs: `make demo` and `make test` build their own virtual environment.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test lint test-cpu test-simulator test-compile ptx test-images bounds fuzz bench bench-codecs kernel-report gpu-day clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $(VENV)/.installed $@

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py build/demo

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The simulator replaces numba.cuda for the whole process, so its tests are a run of their own.
test-simulator: $(VENV)/.installed-test
	NUMBA_ENABLE_CUDASIM=1 $(PYTEST) -m kernel tests/kernels tests/codecs

test-cpu: $(VENV)/.installed-test
	$(PYTEST) -m "not compile"

# Compilers, and the machine that executes what they made, have one thread each: a process for every processor.
test-compile: $(VENV)/.installed-test
	$(PYTEST) -n auto -m compile

test: lint test-simulator test-compile test-cpu

# The images' install lines in fresh virtual environments: downloads hundreds of megabytes.
test-images: $(VENV)/.installed-test
	$(PYTEST) -o faulthandler_timeout=0 tests/docker tests/docker/install_lines.py

# Whole codecs on compiled PTX, every one with all orders of threads; the tests take one order each.
ptx: $(VENV)/.installed-test
	GPUCODEC_PTX_ORDERS=all $(PYTEST) -n auto tests/ptx

bounds: $(VENV)/.installed-test
	NUMBA_BOUNDSCHECK=1 $(PYTEST) -m "not compile"

fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.fuzz
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m tests.fuzz.jpegls
	$(BIN)/python -m tests.fuzz.jpeg2000 100000
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m tests.fuzz.jpeg2000
	$(BIN)/python -m tests.fuzz.jpegls_sweep
	$(BIN)/python -m tests.fuzz.jpeg2000_sweep
	$(BIN)/python -m tests.fuzz.htj2k_sweep

# Ends with 1 if gpucodec is slower than in the result that is kept, if there is one; the new one is kept in any case.
BENCH_RESULT := benchmarks/results/bench.json

bench: $(VENV)/.installed-test
	$(BIN)/gpucodec bench --short --json $(BENCH_RESULT) $(if $(wildcard $(BENCH_RESULT)),--against $(BENCH_RESULT))

bench-codecs: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

kernel-report: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.kernel_report --json benchmarks/results/kernels.json

# The first hour on a GPU; CUDA=12 for drivers of that version, GPU_DAY for other options, such as --resume.
CUDA ?= 13
gpu-day: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --editable ".[cuda$(CUDA)]"
	$(BIN)/python -m benchmarks.gpu_day --out build/gpu-day $(GPU_DAY)

clean:
	rm -rf build dist $(VENV)
