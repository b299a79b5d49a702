// Keeps the first payload bytes of some flows for parsers outside the core, which read them when
// the flow has ended.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "first_bytes.h"
#include "packet.h"

namespace weir {

// Flows of this IP protocol with this port at either end.
struct PayloadWish {
  std::uint8_t protocol;
  std::uint16_t port;
};

// First bytes of each direction: of TCP those in order, of other protocols those of one packet.
using FirstPayloads = std::array<std::string, 2>;

class PayloadKeeper {
 public:
  // Takes no more memory than `most_bytes`; flows beyond that are not kept but counted.
  PayloadKeeper(const std::vector<PayloadWish>& wishes, std::size_t most_bytes);

  bool is_idle() const { return wishes_.empty(); }

  // Shows a packet with payload of the flow in `slot`; TCP: it lies `ahead` of what is expected of its side.
  void Add(std::uint32_t slot, const Packet& packet, std::size_t side, std::int32_t ahead);

  // What was kept of the flow, which ends; empty for most.
  FirstPayloads Take(std::uint32_t slot);

  // Flows that were not kept because memory was short.
  std::uint64_t missed() const { return missed_; }

 private:
  using Flow = std::array<FirstBytes, 2>;

  bool Wants(const FlowKey& key) const;

  std::vector<std::uint32_t> wishes_;  // protocol and port in one number, in order
  std::size_t most_flows_;
  std::uint64_t missed_ = 0;
  std::unordered_map<std::uint32_t, Flow> flows_;
};

}  // namespace weir
