"""Who there is: accounts, users, devices, roles and credentials, and the principal a request speaks for."""
