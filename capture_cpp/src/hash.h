// Keyed hashing of flow keys: the table's seed is drawn per process, so nobody can prepare
// packets that fall into one bucket; results never depend on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "packet.h"

namespace weir {

struct Seed {
  std::uint64_t first;
  std::uint64_t second;
};

// A seed from the kernel's random numbers.
Seed RandomSeed();

// The high and low half of a 128-bit product, folded: one multiplication mixes all bits.
inline std::uint64_t Fold(std::uint64_t left, std::uint64_t right) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{left} * right;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t HashAddresses(const FlowKey& key, const Seed& seed) {
  const std::uint64_t mixed = Fold(key.a.low ^ seed.first, key.b.low ^ seed.second);
  return key.ip_version == 6 ? Fold(mixed ^ key.a.high ^ seed.second, key.b.high ^ seed.first) : mixed;
}

// For tables in memory; takes what follows the addresses as it lies there.
inline std::uint64_t Hash(const FlowKey& key, const Seed& seed) {
  std::uint64_t rest = 0;
  static_assert(sizeof key == offsetof(FlowKey, port_a) + sizeof rest);
  std::memcpy(&rest, &key.port_a, sizeof rest);
  return Fold(HashAddresses(key, seed) ^ rest, seed.first);
}

// The seed of identifiers that must be the same everywhere, for ever.
inline constexpr Seed kIdentitySeed{0x9e3779b97f4a7c15, 0xd6e8feb86659fd93};

// As Fold(), for numbers that somebody may choose who knows the seed: a factor of zero leaves the other one.
inline std::uint64_t FoldKept(std::uint64_t left, std::uint64_t right) { return Fold(left, right) ^ left ^ right; }

// For identifiers, which must not depend on how a key is laid out. `more` is what tells one of its flows from another.
inline std::uint64_t IdentityHash(const FlowKey& key, std::uint64_t more) {
  const auto [first, second] = kIdentitySeed;
  const std::uint64_t rest = std::uint64_t{key.port_a} << 32 | std::uint64_t{key.port_b} << 16 | std::uint64_t{key.protocol} << 8 | key.ip_version;
  if (key.ip_version == 4) {  // no 32 bits make a factor zero
    return Fold(Fold(key.a.low ^ first, key.b.low ^ second) ^ rest, first ^ more);
  }
  const std::uint64_t mixed = FoldKept(FoldKept(key.a.low ^ first, key.b.low ^ second) ^ key.a.high ^ second, key.b.high ^ first);
  return Fold(mixed ^ rest, first ^ more);
}

}  // namespace weir
