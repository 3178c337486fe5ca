"""A coverage-guided fuzzer of everything that decodes what others wrote: `python -m tests.fuzz --seconds 60`."""
