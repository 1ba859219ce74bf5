#!/usr/bin/env python3
"""An HTTP server for tests: the files of a folder; /hang takes a minute. Prints its port.

    www.py FOLDER
"""
import http.server
import sys
import time


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=sys.argv[1])

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == "/hang":
            time.sleep(60)
        else:
            super().do_GET()


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
