"""A client that sends requests where SASL tokens would be: behind a SaslHandshake of version 0, on one connection, Metadata and Produce.

Prints the answers as JSON: error codes of the handshakes, addresses in the Metadata answers, error codes of the Produce answers. Python's
own library only, since no client library does this.
"""
import argparse
import json
import socket
import ssl
import struct
import time

parser = argparse.ArgumentParser()
parser.add_argument("--at", required=True, help="host:port")
parser.add_argument("--topic", required=True)
parser.add_argument("--ca", help="speak TLS, and trust this")
parser.add_argument("--identity", help="certificate and key of the client")
parser.add_argument("--user", help="authenticate with PLAIN first")
parser.add_argument("--password")
args = parser.parse_args()

host, port = args.at.rsplit(":", 1)
connection = socket.create_connection((host, int(port)), timeout=20)
if args.ca:
    context = ssl.create_default_context(cafile=args.ca)
    if args.identity:
        context.load_cert_chain(args.identity)
    connection = context.wrap_socket(connection, server_hostname=host)


def send(key, version, correlation, body):
    frame = struct.pack(">hhih", key, version, correlation, -1) + body
    connection.sendall(struct.pack(">i", len(frame)) + frame)


def exactly(size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError("the connection was closed")
        data += piece
    return data


def receive():
    return exactly(struct.unpack(">i", exactly(4))[0])[4:]


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def batch():
    """One record without a key, of no producer."""
    record = bytes([0, 0, 0, 1, 16]) + b"smuggled" + bytes([0])
    record = bytes([len(record) * 2]) + record
    now = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    rest = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


def addresses(answer):
    """Brokers of a Metadata answer in version 1."""
    count, at, found = struct.unpack_from(">i", answer)[0], 4, []
    for _ in range(count):
        size = struct.unpack_from(">h", answer, at + 4)[0]
        name = answer[at + 6:at + 6 + size].decode()
        at += 6 + size
        found.append(f"{name}:{struct.unpack_from('>i', answer, at)[0]}")
        at += 4 + 2 + max(struct.unpack_from(">h", answer, at + 4)[0], 0)
    return found


def produce(correlation):
    records = batch()
    body = struct.pack(">hhii", -1, 1, 5000, 1) + text(args.topic)
    send(0, 3, correlation, body + struct.pack(">iii", 1, 0, len(records)) + records)


said = {"handshakes": [], "addresses": [], "produced": []}
if args.user:
    send(17, 1, 1, text("PLAIN"))
    receive()
    token = f"\0{args.user}\0{args.password}".encode()
    send(36, 1, 2, struct.pack(">i", len(token)) + token)
    said["authenticated"] = struct.unpack_from(">h", receive())[0]
for mechanism, tokens in (("PLAIN", 1), ("SCRAM-SHA-512", 2), ("OAUTHBEARER", 1)):
    send(17, 0, 3, text(mechanism))
    said["handshakes"].append(struct.unpack_from(">h", receive())[0])
    for n in range(tokens):
        if n == 0:
            send(3, 1, 4, struct.pack(">i", -1))
            said["addresses"] += addresses(receive())
        else:
            produce(5)
            answer = receive()
            said["produced"].append(struct.unpack_from(">h", answer, 4 + 2 + len(args.topic) + 4 + 4)[0])
# And where the first frame would be the token.
send(17, 0, 6, text("PLAIN"))
said["handshakes"].append(struct.unpack_from(">h", receive())[0])
produce(7)
said["produced"].append(struct.unpack_from(">h", receive(), 4 + 2 + len(args.topic) + 4 + 4)[0])
print(json.dumps(said))
