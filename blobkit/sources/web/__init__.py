"""Ask a container registry over HTTP: requests at once, retries, tokens, credentials.

`client.py` is what scanners use, `transport.py` is the only file that knows the HTTP library.
"""
