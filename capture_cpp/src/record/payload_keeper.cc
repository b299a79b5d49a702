#include "record/payload_keeper.h"

#include <algorithm>
#include <utility>

#include "options.h"

namespace weir {
namespace {

std::uint32_t AsNumber(std::uint8_t protocol, std::uint16_t port) { return std::uint32_t{protocol} << 16 | port; }

}  // namespace

PayloadKeeper::PayloadKeeper(const std::vector<PayloadWish>& wishes, std::size_t most_bytes) {
  constexpr std::size_t kNodeBytes = 4 * sizeof(void*);  // what the map adds to a flow
  most_flows_ = most_bytes / (sizeof(Flow) + kNodeBytes + 2 * kMostKeptPayload);
  for (const PayloadWish& wish : wishes) {
    wishes_.push_back(AsNumber(wish.protocol, wish.port));
  }
  std::ranges::sort(wishes_);
}

bool PayloadKeeper::Wants(const FlowKey& key) const {
  const auto has = [&](std::uint16_t port) { return std::ranges::binary_search(wishes_, AsNumber(key.protocol, port)); };
  return has(key.port_a) || has(key.port_b);
}

void PayloadKeeper::Add(std::uint32_t slot, const Packet& packet, std::size_t side, std::int32_t ahead) {
  if (!Wants(packet.key)) {
    return;
  }
  const bool is_full = flows_.size() >= most_flows_ && !flows_.contains(slot);
  if (is_full) {
    missed_ += side == 0 ? 1 : 0;
    return;
  }
  FirstBytes& first = flows_[slot][side];
  if (packet.key.protocol == kProtocolTcp || !first.is_waiting()) {
    first.Add({packet.captured, FirstSequence(packet), packet.payload, ahead}, kMostKeptPayload);
  }
}

FirstPayloads PayloadKeeper::Take(std::uint32_t slot) {
  const auto found = flows_.find(slot);
  if (found == flows_.end()) {
    return {};
  }
  FirstPayloads payloads;
  for (std::size_t side = 0; side < payloads.size(); ++side) {
    found->second[side].GiveUp(kMostKeptPayload);
    payloads[side] = found->second[side].Take();
  }
  flows_.erase(found);
  return payloads;
}

}  // namespace weir
