"""A log receiver for tests: writes the id of each event that comes into a file, a line each.

usage: receiver.py journald|syslog SOCKET OUT
       receiver.py tls|tcp PORT OUT [CERT KEY [CLIENT_CA]] [--slam N]
       receiver.py otlp PORT OUT [--answer STATUS N] [--poison TEXT]

--slam closes the first N connections as soon as they stand; --answer gives the
first N requests that status; --poison has those refused in which TEXT stands. A port of 0 is a free one; the first line on standard
output says which, once it listens.
"""

import array
import fcntl
import http.server
import json
import os
import re
import socket
import ssl
import struct
import sys

arguments = sys.argv[1:]
slams, status, answers = 0, 200, 0
if "--slam" in arguments:
    at = arguments.index("--slam")
    slams = int(arguments[at + 1])
    del arguments[at : at + 2]
if "--answer" in arguments:
    at = arguments.index("--answer")
    status, answers = int(arguments[at + 1]), int(arguments[at + 2])
    del arguments[at : at + 3]
poison = None
if "--poison" in arguments:
    at = arguments.index("--poison")
    poison = arguments[at + 1].encode()
    del arguments[at : at + 2]
mode, where, out, *tls = arguments
log = open(out, "a", buffering=1)


def came(event_id, seq):
    log.write(f"{event_id} {seq}\n")


def line(text):
    """A line as a file of events has it."""
    found = json.loads(text)
    came(found["event"]["event_id"], found["seq"])


def syslog(message):
    """RFC 5424, and nothing else."""
    assert message.isascii()
    pri, rest = message[1:].decode().split(">", 1)
    version, time, host, app, pid, kind, structured, text = rest.split(" ", 7)
    assert message[0:1] == b"<" and 0 <= int(pri) < 192, message
    assert (version, app, structured) == ("1", "session-buddy", "-"), message
    assert time.endswith("Z") and int(pid) > 0 and host and kind, message
    line(text)


def entry(data):
    """journald's own protocol; the fields in the order in which they came."""
    fields = {}
    while data:
        name, _, data = data.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            (length,) = struct.unpack_from("<Q", data)
            value, data = data[8 : 8 + length], data[8 + length :]
            assert data[0:1] == b"\n"
            data = data[1:]
        assert re.fullmatch(b"[A-Z_]+", name) and name.decode() not in fields, name
        fields[name.decode()] = value.decode()
    assert fields["SYSLOG_IDENTIFIER"] == "session-buddy" and fields["MESSAGE"]
    assert "\n" not in fields["MESSAGE"]
    assert fields["PRIORITY"] in ("4", "6")
    found = json.loads(fields["SESSION_BUDDY_JSON"])
    assert found["event"]["event_id"] == fields["SESSION_BUDDY_EVENT_ID"]
    came(fields["SESSION_BUDDY_EVENT_ID"], fields["SESSION_BUDDY_SEQ"])


def datagrams(take):
    if os.path.exists(where):
        os.unlink(where)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(where)
    print(where, flush=True)
    while True:
        data, ancillary, _, _ = listener.recvmsg(1 << 24, 1024)
        for level, kind, payload in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            files = array.array("i")
            files.frombytes(payload[: len(payload) - len(payload) % files.itemsize])
            for file in files:
                # What is not sealed could change under the journal's hands.
                assert fcntl.fcntl(file, 1034) & 0b1110 == 0b1110
                size = os.fstat(file).st_size
                data = os.pread(file, size, 0)
                os.close(file)
        take(data)


def frames(connection):
    """Frames that begin with their length (RFC 5425)."""
    data = b""
    while True:
        more = connection.recv(65536)
        if not more:
            if data:
                raise OSError("ends within a frame")
            return
        data += more
        while b" " in data[:8]:
            length, _, rest = data.partition(b" ")
            if len(rest) < int(length):
                break
            syslog(rest[: int(length)])
            data = rest[int(length) :]


def stream():
    global slams
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(where)))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        try:
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(tls[0], tls[1])
                if len(tls) > 2:
                    context.load_verify_locations(tls[2])
                    context.verify_mode = ssl.CERT_REQUIRED
                connection = context.wrap_socket(connection, server_side=True)
            if slams > 0:
                slams -= 1
            else:
                frames(connection)
        except (OSError, ssl.SSLError) as error:
            print(f"connection: {error}", file=sys.stderr, flush=True)
        connection.close()


def value(any_value):
    (kind, held), = any_value.items() or [("none", None)]
    if kind == "kvlistValue":
        return {each["key"]: value(each["value"]) for each in held["values"]}
    if kind == "arrayValue":
        return [value(each) for each in held["values"]]
    if kind == "intValue":
        return int(held)
    return held


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global answers
        length = int(self.headers["content-length"])
        bytes = self.rfile.read(length)
        body = json.loads(bytes)
        answer = 200
        assert self.headers["content-type"] == "application/json"
        if answers > 0:
            answers -= 1
            answer = status
        elif poison is not None and poison in bytes:
            answer = 400
        else:
            for resource in body["resourceLogs"]:
                named = {a["key"]: value(a["value"]) for a in resource["resource"]["attributes"]}
                assert named["service.name"] == "session-buddy" and named["host.name"]
                for scope in resource["scopeLogs"]:
                    for record in scope["logRecords"]:
                        self.record(record)
        said = b"{}" if answer == 200 else b'{"message":"not now"}'
        self.send_response(answer)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def record(self, record):
        attributes = {a["key"]: value(a["value"]) for a in record["attributes"]}
        event = attributes["session_buddy.event"]
        assert event["event_id"] == attributes["log.record.uid"]
        assert event["session_id"] == attributes["session.id"]
        assert record["eventName"] == "session_buddy." + event["event_type"]
        assert record["body"]["stringValue"] and record["severityNumber"] in (9, 13)
        assert int(record["timeUnixNano"]) % 1_000_000 == 0
        came(event["event_id"], attributes["session_buddy.seq"])

    def log_message(self, *_):
        pass


if mode == "journald":
    datagrams(entry)
elif mode == "syslog":
    datagrams(syslog)
elif mode in ("tls", "tcp"):
    stream()
else:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(where)), Collector)
    print(server.server_port, flush=True)
    server.serve_forever()
