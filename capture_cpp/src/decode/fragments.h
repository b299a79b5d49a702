// Remembers the flows of fragmented datagrams, so that later fragments join that of the first, and
// which bytes of each came, as far as they lie in a few pieces. Fragments that come before the first
// are kept until it comes.
//
// Bounded: at most kMostFragmented datagrams, each for kFragmentLifeUs of packet time; the oldest
// is forgotten first, whatever the hash seed. Of early fragments kMostEarly are kept for as long;
// where more come, all of them are forgotten.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "hash.h"
#include "packet.h"

namespace weir {

// What fragments of one datagram have in common: RFC 791, section 3.2, and RFC 8200, section 4.5,
// where the protocol does not count, as it may be another one in each fragment.
struct FragmentKey {
  Address source;
  Address destination;
  std::uint32_t id;
  std::uint8_t protocol;  // 0 for IPv6
  std::uint8_t ip_version;
  bool operator==(const FragmentKey&) const = default;
};

// What only the first fragment says.
struct FragmentFlow {
  std::uint16_t source_port;
  std::uint16_t destination_port;
  std::uint8_t protocol;  // behind all extension headers
};

// Bytes of a datagram, from `begin` to before `end`.
struct FragmentSpan {
  std::uint32_t begin;
  std::uint32_t end;
};

// A later fragment that came before the first of its datagram: its packet has no ports yet.
struct EarlyFragment {
  FragmentKey key;
  FragmentSpan span;
  Packet packet;
};

class Fragments {
 public:
  explicit Fragments(const Seed& seed) : flows_(0, Hasher{seed}), early_(0, Hasher{seed}) {}

  // Notes the flow of a first fragment, and says whether it brings bytes again.
  bool Remember(const FragmentKey& key, FragmentFlow flow, FragmentSpan span, std::int64_t time_us);

  // The flow of the datagram, or nullptr when its first fragment was not seen lately. Sets
  // `is_again` where the span brings bytes again.
  const FragmentFlow* Find(const FragmentKey& key, FragmentSpan span, std::int64_t time_us, bool* is_again);

  // Keeps a fragment for which Find() knew no flow.
  void Keep(const EarlyFragment& early);

  // Gives the packets of what was kept of a datagram that Remember() was just told of, with its protocol and ports, and
  // forgets them. They count as coming with the first fragment.
  void TakeEarly(const FragmentKey& key, std::int64_t time_us, std::vector<Packet>* packets);

 private:
  struct Hasher {
    Seed seed;
    std::size_t operator()(const FragmentKey& key) const {
      const std::uint64_t addresses = Fold(key.source.low ^ key.source.high ^ seed.first, key.destination.low ^ key.destination.high ^ seed.second);
      return Fold(addresses ^ key.id ^ std::uint64_t{key.protocol} << 40 ^ std::uint64_t{key.ip_version} << 48, seed.second);
    }
  };
  struct Entry {
    FragmentFlow flow;
    std::int64_t time_us;
    std::uint64_t turn;
    std::array<FragmentSpan, 3> seen;  // apart from one another; empty ones at the end
  };
  struct Noted {
    FragmentKey key;
    std::uint64_t turn;
  };

  static bool Note(FragmentSpan span, Entry* entry);

  std::unordered_map<FragmentKey, Entry, Hasher> flows_;
  std::unordered_multimap<FragmentKey, EarlyFragment, Hasher> early_;
  std::deque<Noted> order_;  // oldest first; a datagram noted again stands here twice, its old turn is void
  std::uint64_t turn_ = 0;
};

}  // namespace weir
