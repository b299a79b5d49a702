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

void PayloadKeeper::Add(std::uint32_t slot, const Packet& packet, std::size_t side_index) {
  if (!Wants(packet.key)) {
    return;
  }
  const bool is_full = flows_.size() >= most_flows_ && !flows_.contains(slot);
  if (is_full) {
    missed_ += side_index == 0 ? 1 : 0;
    return;
  }
  Flow& flow = flows_[slot];
  Side& side = flow.sides[side_index];
  const bool is_tcp = packet.key.protocol == kProtocolTcp;
  const std::uint32_t sequence = FirstSequence(packet);
  const auto known = side.is_begun ? static_cast<std::int32_t>(side.next_sequence - sequence) : 0;
  if (side.is_over || known < 0 || static_cast<std::uint32_t>(known) >= packet.payload) {
    return;
  }
  std::string& bytes = flow.payloads[side_index];
  const Bytes fresh = packet.captured.subspan(std::min(packet.captured.size(), static_cast<std::size_t>(known)));
  const Bytes more = fresh.first(std::min(fresh.size(), kMostKeptPayload - bytes.size()));
  bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
  side.is_begun = true;
  side.next_sequence = sequence + packet.payload;
  side.is_over = !is_tcp || more.size() + static_cast<std::size_t>(known) < packet.payload || bytes.size() == kMostKeptPayload;
}

FirstPayloads PayloadKeeper::Take(std::uint32_t slot) {
  const auto found = flows_.find(slot);
  if (found == flows_.end()) {
    return {};
  }
  FirstPayloads payloads = std::move(found->second.payloads);
  flows_.erase(found);
  return payloads;
}

}  // namespace weir
