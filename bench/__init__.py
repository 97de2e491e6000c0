"""Benchmarks: programs that load a real relay over its public faces. See README.md."""
