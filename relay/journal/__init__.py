"""The journal: every change of a call, and the events that tell of it, in Redis or Valkey."""
