"""GWS v2: the published voice surface of Genesys Web Services, at ``/api/v2/``."""
