# Two commands are all a new user needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

# Where bytecode is not kept, every process of an ensemble compiles the whole package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test suite coverage lint fuzz simulate torture evidence compiled docs lock clean

demo: .venv/ready
	$(BIN)/gateway demo

# Both at once: types are checked by one process, and the suite waits for timers now and then.
test: .venv/ready
	$(MAKE) --no-print-directory --jobs 2 lint suite

suite: .venv/ready
	$(BIN)/pytest --numprocesses 4

# Branch coverage of the same tests, child processes included; it takes several times as long.
coverage: .venv/ready
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Fuzzes codec and framing, then the HTTP API, for so many seconds each; var/fuzz keeps what breaks a
# promise. The fuzzers stand aside: one of them is a plugin of pytest.
SECONDS ?= 60
FUZZERS := var/fuzzers
fuzz: $(FUZZERS)/ready
	PYTHONPATH=$(FUZZERS) $(BIN)/python tests/fuzz/fuzz_iso8583.py $(SECONDS)
	PYTHONPATH=$(FUZZERS) $(BIN)/python tests/fuzz/fuzz_http.py $(SECONDS)

$(FUZZERS)/ready: .venv/ready requirements-fuzz.lock
	rm -rf $(FUZZERS)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --target $(FUZZERS) \
	    -r requirements-fuzz.lock
	touch $@

# Tells histories of the whole gateway in a simulated world; SEED=n tells one again, with its trace.
HISTORIES ?= 2000
simulate: .venv/ready
	PYTHONPATH=tests/simulator $(BIN)/python -m simulation.run --histories $(HISTORIES) \
	    $(if $(FIRST),--first $(FIRST)) $(if $(SECONDS_MAX),--seconds $(SECONDS_MAX)) \
	    $(if $(SEED),--seed $(SEED)) $(if $(WITHOUT),--without $(WITHOUT)) \
	    $(if $(CUSTOMERS),--customers $(CUSTOMERS)) $(if $(LASTING),--lasting $(LASTING))

# Kills real processes at random, at every named point and with every fault, on SQLite and on
# PostgreSQL, for so many seconds each or 10,000 times, several gateways side by side; then floods of
# connections, and the drills of several nodes.
GATEWAYS ?= 4
torture: .venv/ready
	seq $(GATEWAYS) | TORTURE_SECONDS=$(SECONDS) TORTURE_GATEWAYS=$(GATEWAYS) xargs -P $(GATEWAYS) -I@ \
	    env TORTURE_SEED=@ $(BIN)/pytest -q -n0 -p no:cacheprovider tests/end_to_end/test_torture.py
	TORTURE_SECONDS=$(SECONDS) $(BIN)/pytest -n0 tests/end_to_end/test_floods.py
	$(BIN)/python -m gateway.app.bench.drill --seconds $(SECONDS)

# Runs histories, planted mistakes and torture, and writes docs/evidence.md from what came of them.
evidence: .venv/ready
	PYTHONPATH=tests/simulator $(BIN)/python -m simulation.evidence --histories $(HISTORIES) \
	    --torture-seconds $(SECONDS)

# Compiles codec, matching, connections and the security module's PIN calls, the same source, to C:
# PYTHONSAFEPATH=1 PYTHONPATH=$PWD/var/compiled takes it, in every process.
# Needs a C compiler. Classes that pydantic reads from files, and links with their plans, stay Python.
HOT := $(addprefix gateway/iso8583/, bitmap.py codec.py ebcdic.py errors.py field_content.py field_form.py \
         frames.py layouts.py matching.py message.py message_builder.py message_gate.py message_index.py \
         multibyte_text.py packed_digits.py plans.py private_data.py session.py) \
       $(addprefix gateway/wire/, answers.py connection.py line.py link_mac.py rotation.py tally.py) \
       $(addprefix gateway/pinblock/, encipherer.py formats.py policy.py translator.py) \
       $(addprefix gateway/hsm/, ciphers.py envelope.py frames.py limits.py mac.py pin_protocol.py \
         soft_module.py)
compiled: .venv/ready
	rm -rf var/compiled
	mkdir -p var/compiled
	cp -r gateway pyproject.toml README.md var/compiled
	cp -r specs var/compiled/gateway/specs
	cd var/compiled && $(abspath $(BIN))/mypyc $(HOT)

# Writes the generated documents anew; a test fails while one of them is stale.
docs: .venv/ready
	$(BIN)/gateway documents

.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# The locks name versions and hashes only, so that any index or mirror can serve them.
lock:
	$(PYTHON) -m pip install --quiet uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --upgrade pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --upgrade --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	printf 'atheris\nschemathesis\n' | uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --upgrade -c requirements-dev.lock - -o requirements-fuzz.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache var
