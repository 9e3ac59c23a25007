# Two commands on a fresh machine: `make demo` runs the main job, `make test` proves the house is in order.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECIPE := recipes/distilbert_int8_axformer.yaml
SHORT := --set samples.train=1500 --set samples.search=200 --set samples.test=300 --set passes.4.budget.max_drop=100

# What differs between releases of transformers: architectures, saving, surgery, trainings, a recipe of every kind of task.
OLD := .venv-oldest
OLD_TESTS := tests/axkit/test_contract.py::test_family tests/axkit/test_families.py tests/axkit/test_saving.py \
	tests/axkit/test_door.py tests/axkit/test_door_tokenizer.py tests/axkit/test_door_files.py \
	tests/axkit/test_surgery.py tests/axkit/test_every_task.py \
	tests/axkit/test_stock_form.py tests/axkit/test_without_axkit.py \
	tests/axkit_plugins/test_trainings.py tests/axkit_plugins/test_going_on.py

# As on a processor of 2013: kernels sum in another order there, and torch would otherwise take the widest it finds.
LOWERED := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 AXKIT_BFLOAT16=0
TESTS :=
NUMBERS := $(addprefix tests/axkit_plugins/test_,$(addsuffix .py,bf16 int8 int4_vsq)) \
	$(addprefix tests/axkit/test_,$(addsuffix .py,criteria first kernels least_squares measure))

.PHONY: demo demo-short gpu test lowered lowered-numbers oldest lint types types-elsewhere unit docs fuzz faults serve format clean

demo: $(VENV)/.demo  ## Set up, and make DistilBERT smaller and faster (some four minutes on two cores).
	$(BIN)/axkit apply $(RECIPE) --force

demo-short: $(VENV)/.demo  ## The same job on fewer rows, in some two minutes; proves the path, not the accuracy.
	$(BIN)/axkit apply $(RECIPE) --force --out runs/short $(SHORT)

test: $(VENV)/.dev lint types unit  ## Set up, lint, type-check, test; the tests build the docs.

gpu: $(VENV)/.dev  ## What only a GPU can show, in some minutes; without one it is skipped.
	$(BIN)/pytest -n 0 -m gpu tests/gpu

lowered: $(VENV)/.dev  ## All tests as on a processor with AVX2 and no bfloat16; some of them: make lowered TESTS=tests/axkit/test_search.py
	$(LOWERED) $(BIN)/pytest $(TESTS)

lowered-numbers:  ## Those of them whose numbers go by the processor's kernels.
	$(MAKE) lowered TESTS="$(NUMBERS)"

oldest: $(OLD)/.done  ## Some tests with the oldest transformers that is supported; modernbert needs a later one.
	$(OLD)/bin/python -m pytest -W ignore::DeprecationWarning -k "not modernbert and not kill_9" $(OLD_TESTS)

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types:  ## For other systems too: what Python's library has there.
	$(BIN)/mypy

types-elsewhere: $(VENV)/.dev  ## Types as on Windows and macOS, where some of Python's library is not there.
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin

unit:
	$(BIN)/pytest

docs:
	$(BIN)/mkdocs build --strict  # not --quiet: no warning is counted then

fuzz: $(VENV)/.dev  ## 12,000 damaged recipes, checkpoints and rows; writes docs/reliability.md.
	PYTHONPATH=tests $(BIN)/python -m reliability.fuzz --write

faults: $(VENV)/.dev  ## Kills, damage, full disks and two at once, on tiny models and the main job; writes docs/reliability.md.
	PYTHONPATH=tests $(BIN)/python -m reliability.faults --write

serve: $(VENV)/.dev
	$(BIN)/mkdocs serve

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OLD) dist build site runs

# torch comes first and alone, pinned, so that an installer that has its CPU build takes that one.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	touch $@

SOURCES := pyproject.toml README.md LICENSE $(shell find axkit axkit_plugins docs/examples -name '*.py' -o -name '*.toml') \
	$(wildcard recipes/*.yaml recipes/*/*.yaml)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

$(VENV)/.demo: $(VENV)/.torch $(SOURCES)
	$(PIP) '.[demo]'
	$(PIP) --force-reinstall --no-deps .
	touch $@

# The tests run against the built package, not the checkout.
$(VENV)/.dev: $(VENV)/.torch $(SOURCES)
	$(PIP) '.[dev]'
	$(PIP) --force-reinstall --no-deps . ./docs/examples/axkit-narrow ./docs/examples/axkit-w4 ./docs/examples/axkit-ordinal ./docs/examples/axkit-kappa ./docs/examples/axkit-answers
	$(PIP) --no-deps axe-playwright-python==0.1.8  # for its copy of axe-core alone
	touch $(VENV)/.demo $@

# A second environment over the first: only what the oldest transformers needs of its own stands in it.
$(OLD)/.done: constraints-oldest.txt $(VENV)/.dev
	$(PYTHON) -m venv --clear $(OLD)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $$($(OLD)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/first.pth
	$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints-oldest.txt
	$(OLD)/bin/python -c "import transformers; print('transformers', transformers.__version__)"
	touch $@
