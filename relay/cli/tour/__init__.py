"""The guided tour: one call, told by three channels at once, through the same faces any client uses."""
