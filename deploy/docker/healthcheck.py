"""Exits 0 if the API of this container answers /health/alive, or what is named instead (ready), with 200 within 4 s."""

import http.client
import os
import ssl
import sys

port = int(os.environ.get("QS_PORT") or os.environ.get("QS_SERVER__PORT") or 8080)
path = f"/health/{sys.argv[1] if sys.argv[1:] else 'alive'}"
connection: http.client.HTTPConnection
if os.environ.get("QS_SERVER__TLS__CERT_FILE"):
    # The certificate is for the name by which others call, and this call does not leave the container.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=4, context=context)
else:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
try:
    connection.request("GET", path)
    status = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"{path}: {error}")
if status != 200:
    sys.exit(f"{path}: {status}")
