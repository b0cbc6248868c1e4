# Every target makes the environments it needs, in .venv* beside this file: it works in a fresh clone.
#
#   make demo     sample files in every format, converted for every program; embeddings in a pipeline
#                 (MODEL=PATH: in a real SDXL model instead of a tiny random one)
#   make test     everything that CI runs
#   make bench    speed, as ratios to torch, safetensors, diffusers and walking the folders
#   make lint     ruff, pyright
#   make fuzz     the readers under atheris, for FUZZ_SECONDS
#
# PYTHON=python3.12 make … uses another interpreter (after `make clean`).

SHELL = /bin/sh
.DEFAULT_GOAL = help
.PRECIOUS: .venv-%/ready
.PHONY: help demo test test-main test-pythons test-old-transformers test-webui lint bench fuzz readme screenshots clean

runs = $(shell $(1) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $(1))
pythons = $(foreach each,python3.11 python3.12 python3.13 python3.10 python3,$(call runs,$(each)))
PYTHON := $(or $(PYTHON),$(firstword $(pythons)))
python_of_gradio_3.41.2 = python3.10
python_of_gradio_4.40.0 = python3.11
FUZZ_SECONDS ?= 60
PYTEST_ARGS ?= -q -n 2

py = .venv/bin/python
pip_install = -m pip install --quiet --disable-pip-version-check
main_version := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
other_versions = $(filter-out $(main_version),3.10 3.11 3.12 3.13)

# Makes $(2) where the machine has the Python $(1); only CI has to have them all.
define where_there_is
	@if $(1) -c '' 2>/dev/null; then $(MAKE) --no-print-directory $(2); \
	elif [ "$$CI" = true ]; then echo "$(1) is missing" >&2; exit 1; \
	else echo "$(1) is missing: $(2) is left out"; fi
endef

help:
	@sed -n 's/^#  *make/make/p' Makefile

demo: .venv/ready
	PYTHONPATH=tests $(py) docs/demo.py
	PYTHONPATH=tests $(py) docs/demo_pipeline.py $(if $(MODEL),--model "$(MODEL)")

test: lint test-main test-pythons test-old-transformers test-webui

test-main: .venv/ready
	$(py) -m pytest $(PYTEST_ARGS)

# embeddings/ and converters/ on the other Pythons, without torch; on 3.10 with AUTOMATIC1111's versions.
test-pythons: $(other_versions:%=test-python-%)

test-python-%:
	$(call where_there_is,python$*,run-python-$*)

run-python-%: .venv-%/ready
	.venv-$*/bin/python -m pytest $(PYTEST_ARGS) --ignore tests/loader

# The loader with the oldest diffusers and transformers that loanword works with.
test-old-transformers: .venv-old-transformers/ready
	.venv-old-transformers/bin/python -m pytest $(PYTEST_ARGS) tests/loader

# The WebUI's page and server with the versions of AUTOMATIC1111 and reForge, and with those of Forge, in Chromium.
test-webui: test-gradio-3.41.2 test-gradio-4.40.0

test-gradio-%:
	$(call where_there_is,$(python_of_gradio_$*),run-gradio-$*)

run-gradio-%: .venv-gradio-%/ready
	.venv-gradio-$*/bin/python -m pytest $(PYTEST_ARGS) --dist loadscope tests/webui

lint: .venv/ready
	$(py) -m ruff check
	$(py) -m ruff format --check
	$(py) -m pyright --pythonpath $(py)

# First many: where many files were deleted a moment ago, ext4 is slow to make new ones.
bench: bench-many bench-converters bench-library bench-loader bench-webui_start

bench-webui_start: .venv-gradio-3.41.2/ready .venv-gradio-4.40.0/ready
	.venv-gradio-3.41.2/bin/python benchmarks/webui_start.py
	.venv-gradio-4.40.0/bin/python benchmarks/webui_start.py

bench-%: .venv/ready
	$(py) benchmarks/$*.py

fuzz: .venv-fuzz/ready
	.venv-fuzz/bin/python tests/fuzz.py -max_total_time=$(FUZZ_SECONDS)

# The generated parts of README.md.
readme: .venv/ready
	PYTHONPATH=tests $(py) docs/format_table.py

# The pictures of README.md, in Chromium.
screenshots: .venv-gradio-4.40.0/ready
	PYTHONPATH=checkout:tests .venv-gradio-4.40.0/bin/python docs/screenshots.py

clean:
	rm -rf .venv .venv-* build dist demo-output

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(py) $(pip_install) -c constraints.txt -e '.[dev]'
	$(py) $(pip_install) -c constraints.txt --no-deps open_clip_torch
	@touch $@

.venv-old-transformers/ready: pyproject.toml constraints-old-transformers.txt
	$(PYTHON) -m venv --clear .venv-old-transformers
	.venv-old-transformers/bin/python $(pip_install) -c constraints-old-transformers.txt -e '.[diffusers,test]' peft ftfy
	.venv-old-transformers/bin/python $(pip_install) -c constraints-old-transformers.txt --no-deps open_clip_torch
	@touch $@

.venv-fuzz/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv-fuzz
	.venv-fuzz/bin/python $(pip_install) -c constraints.txt -e '.[test]' atheris
	@touch $@

.venv-gradio-%/ready: tests/webui/requirements-gradio-%.txt
	$(python_of_gradio_$*) -m venv --clear .venv-gradio-$*
	.venv-gradio-$*/bin/python $(pip_install) -r $<
	@touch $@

.venv-%/ready: pyproject.toml constraints.txt
	python$* -m venv --clear .venv-$*
	.venv-$*/bin/python $(pip_install) -c constraints.txt -e '.[test]'
	@touch $@
