"""The dashboard: pages over the API, rendered here, so that nothing is possible on them that is not possible over HTTP.

A page asks the API in the same process (asking.py) with the access token of the person who looks at it: scopes, limits,
tenants and the audit log are the API's own. ``docs/howto/add-a-page.md`` walks through one.
"""
