# Each target is a script that runs as well without make: `sh dev/test`.

.PHONY: setup test fast demo bench clean

setup:
	@sh dev/setup

test:
	@sh dev/test

fast:
	@sh dev/test --fast

demo:
	@sh dev/demo

bench: setup
	@.venv/bin/python -m bench.run

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist demo
