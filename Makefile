# Two commands do all the set-up on a machine with Python >= 3.11 and make:  `make app`  and  `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The build of torch on Linux: cpu, cuda, or default, which is cpu where its index answers and else what pip finds.
TORCH  ?= default
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
APP_STAMP := $(VENV)/.app-$(TORCH)
DOCS   := $(VENV)-docs
STAMP  := $(VENV)/.installed-$(TORCH)
WARM   := $(VENV)/.warm
PORT   ?= 8501
WORKERS ?= 2
# On a processor that multiplies bfloat16 matrices in tiles the network runs several times as fast by OpenVINO.
AMX    := $(shell grep -qs amx_bf16 /proc/cpuinfo && echo ,amx)
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: app desktop install warm test again test-long check bench docs packages system clean

install: $(STAMP)

# The app needs no test tools; what has everything has what the app needs.
$(APP_STAMP): EXTRAS := app,train,experiments$(AMX)
$(STAMP): EXTRAS := test,dev

$(APP_STAMP) $(STAMP): pyproject.toml constraints.txt .ci/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python .ci/install.py --torch $(TORCH) --index $(TORCH_INDEX) --extras $(EXTRAS)
	@touch $(APP_STAMP) $@

# Compiled ahead, and again only after an edit: the first page then comes at once.
$(WARM): $(APP_STAMP) $(wildcard othello/*.py othello/*/*.py othello/*/*/*.py)
	$(BIN)/othello warm
	@touch $@

warm: $(WARM)  ## compile ahead

app: $(WARM)  ## the web app on http://127.0.0.1:8501
	$(BIN)/othello app --port $(PORT)

desktop: $(WARM)  ## the pygame board
	$(BIN)/othello desktop

# Chromium and GRhino are test partners; installed where the user may, else their tests skip with a hint.
system:
	@if command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then \
	  need=""; \
	  command -v chromium >/dev/null || command -v google-chrome >/dev/null || need="$$need chromium"; \
	  test -x /usr/games/gtp-rhino || command -v gtp-rhino >/dev/null || need="$$need grhino"; \
	  if [ -n "$$need" ]; then \
	    SUDO=""; [ "$$(id -u)" = 0 ] || SUDO="sudo -n"; \
	    $$SUDO apt-get update -q && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$need \
	      || echo "could not install:$$need (tests that need them will skip)"; \
	  fi; \
	else echo "no permission to install Chromium or GRhino: tests that need them skip unless they are there"; fi

test: $(STAMP) system  ## everything that takes minutes
	$(ONE_THREAD) $(BIN)/python -m pytest --doctest-modules --doctest-ignore-import-errors othello lrp tests -m "not long" -q -n $(WORKERS) --dist loadfile

again: $(STAMP)  ## what failed the last time, once more and alone
	$(ONE_THREAD) $(BIN)/python -m pytest --doctest-modules --doctest-ignore-import-errors othello lrp tests -m "not long" -q --last-failed --last-failed-no-failures none

test-long: $(STAMP) system  ## the hour-long proofs
	$(ONE_THREAD) $(BIN)/python -m pytest tests -m long --timeout 7200

check: $(STAMP)  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## the tables of the README
	for name in lrp evaluator learner othello_rules search selfplay explain_tree why desktop replies; do $(ONE_THREAD) $(BIN)/python -m benchmarks.$$name; done

docs: $(DOCS)  ## the documentation as a site, in site/
	$(DOCS)/bin/mkdocs build --strict

$(DOCS): pyproject.toml
	test -x $@/bin/python || $(PYTHON) -m venv $@
	$@/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
	  | $@/bin/python -m pip install --disable-pip-version-check -q -r /dev/stdin
	@touch $@

packages: $(STAMP)  ## wheel and sdist in dist/, tried in empty environments
	$(BIN)/python -m pip install --disable-pip-version-check -q build
	$(BIN)/python .ci/packages.py

clean:
	rm -rf $(VENV) $(DOCS) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis test-artifacts
