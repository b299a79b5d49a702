"""The first flights of TLS 1.3 and QUIC, with a server's name in them."""

from __future__ import annotations

import hmac
import struct

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHERS = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8")
GROUPS, SIGNATURES = bytes.fromhex("001d00170018"), bytes.fromhex("040308040401050308050501")
INITIAL_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001, 5.2
SMALLEST_INITIAL = 1_200  # RFC 9000, 14.1
TAG_BYTES, NUMBER_BYTES = 16, 4


def sized(form: str, data: bytes) -> bytes:
    """Data behind its length."""
    return struct.pack(form, len(data)) + data


def extension(kind: int, data: bytes) -> bytes:
    """One extension of a hello."""
    return struct.pack(">H", kind) + sized(">H", data)


def handshake_of_client(random: np.random.Generator, name: str, protocol: bytes) -> bytes:
    """A ClientHello (RFC 8446, 4.1.2) that asks for this server (RFC 6066) and protocol (RFC 7301)."""
    extensions = extension(0, sized(">H", b"\0" + sized(">H", name.encode())))
    extensions += extension(10, sized(">H", GROUPS)) + extension(13, sized(">H", SIGNATURES))
    extensions += extension(16, sized(">H", sized(">B", protocol))) + extension(43, bytes.fromhex("0403040303"))
    extensions += extension(51, sized(">H", bytes.fromhex("001d") + sized(">H", random.bytes(32))))
    body = b"\x03\x03" + random.bytes(32) + sized(">B", random.bytes(32))
    body += sized(">H", CIPHERS) + b"\x01\0" + sized(">H", extensions)
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def client_hello(random: np.random.Generator, name: str) -> bytes:
    """... as TLS over TCP sends it."""
    return b"\x16\x03\x01" + sized(">H", handshake_of_client(random, name, b"h2"))


def server_hello(random: np.random.Generator) -> bytes:
    """The answer, which settles on the first cipher (RFC 8446, 4.1.3)."""
    extensions = extension(43, b"\x03\x04") + extension(51, bytes.fromhex("001d") + sized(">H", random.bytes(32)))
    body = b"\x03\x03" + random.bytes(32) + sized(">B", random.bytes(32)) + CIPHERS[:2] + b"\0" + sized(">H", extensions)
    return b"\x16\x03\x03" + sized(">H", b"\x02" + struct.pack(">I", len(body))[1:] + body)


def expand(secret: bytes, label: str, length: int) -> bytes:
    """HKDF-Expand-Label without context, for at most one block (RFC 8446, 7.1)."""
    info = struct.pack(">H", length) + sized(">B", b"tls13 " + label.encode()) + b"\0"
    return hmac.digest(secret, info + b"\x01", "sha256")[:length]


def quic_initial(random: np.random.Generator, caller: bytes, name: str) -> bytes:
    """A client's first datagram, protected as RFC 9001, 5 says."""
    server = random.bytes(8)
    secret = expand(hmac.digest(INITIAL_SALT, server, "sha256"), "client in", 32)
    hello = handshake_of_client(random, name, b"h3")
    crypto = b"\x06\0" + struct.pack(">H", 0x4000 | len(hello)) + hello
    head = b"\xc3\0\0\0\x01" + sized(">B", server) + sized(">B", caller) + b"\0"
    padded = crypto.ljust(SMALLEST_INITIAL - len(head) - 2 - NUMBER_BYTES - TAG_BYTES, b"\0")
    head += struct.pack(">HI", 0x4000 | NUMBER_BYTES + len(padded) + TAG_BYTES, 0)
    # The packet number is 0, so the nonce is the vector itself.
    body = AESGCM(expand(secret, "quic key", 16)).encrypt(expand(secret, "quic iv", 12), padded, head)
    mask = Cipher(algorithms.AES(expand(secret, "quic hp", 16)), modes.ECB()).encryptor().update(body[:16])
    number = bytes(a ^ b for a, b in zip(head[-NUMBER_BYTES:], mask[1:], strict=False))
    return bytes([head[0] ^ mask[0] & 0x0F]) + head[1:-NUMBER_BYTES] + number + body
