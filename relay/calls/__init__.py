"""The call model: pure values and functions, without I/O, clock or knowledge of any dialect."""
