"""RingCentral: its OAuth, call control, presence and subscriptions, at ``/restapi/``."""
