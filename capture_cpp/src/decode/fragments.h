// Remembers the ports of fragmented datagrams, so that later fragments join the flow of the first,
// and which bytes of each came, as far as they lie in a few pieces.
//
// Bounded: at most kMostFragmented datagrams, each for kFragmentLifeUs of packet time; the oldest
// is forgotten first, whatever the hash seed.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "hash.h"
#include "packet.h"

namespace weir {

struct FragmentKey {
  Address source;
  Address destination;
  std::uint32_t id;
  std::uint8_t protocol;
  std::uint8_t ip_version;
  bool operator==(const FragmentKey&) const = default;
};

struct FragmentPorts {
  std::uint16_t source;
  std::uint16_t destination;
};

// Bytes of a datagram, from `begin` to before `end`.
struct FragmentSpan {
  std::uint32_t begin;
  std::uint32_t end;
};

class Fragments {
 public:
  explicit Fragments(const Seed& seed) : ports_(0, Hasher{seed}) {}

  // Notes the ports that a first fragment carries, and says whether it brings bytes again.
  bool Remember(const FragmentKey& key, FragmentPorts ports, FragmentSpan span, std::int64_t time_us);

  // The ports of the datagram, or nullptr when its first fragment was not seen lately. Sets
  // `is_again` where the span brings bytes again.
  const FragmentPorts* Find(const FragmentKey& key, FragmentSpan span, std::int64_t time_us, bool* is_again);

 private:
  struct Hasher {
    Seed seed;
    std::size_t operator()(const FragmentKey& key) const {
      const std::uint64_t addresses = Fold(key.source.low ^ key.source.high ^ seed.first, key.destination.low ^ key.destination.high ^ seed.second);
      return Fold(addresses ^ key.id ^ std::uint64_t{key.protocol} << 40 ^ std::uint64_t{key.ip_version} << 48, seed.second);
    }
  };
  struct Entry {
    FragmentPorts ports;
    std::int64_t time_us;
    std::uint64_t turn;
    std::array<FragmentSpan, 3> seen;  // apart from one another; empty ones at the end
  };
  struct Noted {
    FragmentKey key;
    std::uint64_t turn;
  };

  static bool Note(FragmentSpan span, Entry* entry);

  std::unordered_map<FragmentKey, Entry, Hasher> ports_;
  std::deque<Noted> order_;  // oldest first; a datagram noted again stands here twice, its old turn is void
  std::uint64_t turn_ = 0;
};

}  // namespace weir
