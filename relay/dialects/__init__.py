"""The published dialects: routes in, renderers out. Nothing behind them knows one."""
