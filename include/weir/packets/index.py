"""The index of a frame: a Bloom filter of the addresses in it, as ``docs/formats/manifest.md`` describes it."""

from __future__ import annotations

INDEX_HASHES = 4
"""Bits of a frame's filter that each address sets."""

LEAST_BYTES, MOST_BYTES = 1 << 3, 1 << 17
"""Of a frame's filter; in between are powers of two."""

_64 = (1 << 64) - 1


def may_hold(hosts: bytes, address: bytes) -> bool:
    """Whether a frame's Bloom filter may contain an address of 4 or 16 bytes; an empty filter may."""
    bits = len(hosts) * 8
    value = hash_address(address)
    low, step = value & 0xFFFFFFFF, (value >> 32) | 1
    places = [((low + i * step) & _64) % bits for i in range(INDEX_HASHES)] if bits else []
    return all(hosts[place // 8] >> place % 8 & 1 for place in places)


def hash_address(address: bytes) -> int:
    """FNV-1a, then the finaliser of MurmurHash3, as the sensor does it; 64 bits."""
    value = 0xCBF29CE484222325
    for byte in address:
        value = (value ^ byte) * 0x100000001B3 & _64
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return max(value ^ value >> 33, 1)
