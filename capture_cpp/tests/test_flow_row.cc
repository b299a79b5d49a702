#include "columns/flow_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <span>

namespace weir {
namespace {

struct Flow {
  FlowHead head;
  FirstPacket first;
  LaterPacket second;
};

// Any two packets that might make a flow, odd ones and such as never occur included.
Flow AnyPair(std::mt19937_64* random) {
  const auto below = [random](std::uint64_t end) { return (*random)() % end; };
  const auto one_of = [&](std::initializer_list<std::uint64_t> values) { return *(values.begin() + below(values.size())); };
  Flow flow{};
  flow.head.key = {.a = {0, below(1ull << 32)}, .b = {0, below(1ull << 32)}, .port_a = static_cast<std::uint16_t>(below(65'536)), .port_b = 443,
                   .protocol = static_cast<std::uint8_t>(one_of({kProtocolTcp, kProtocolTcp, kProtocolTcp, kProtocolUdp, kProtocolIcmp, 47})), .ip_version = 4, .unused = 0};
  flow.head.is_forward_from_b = below(2) == 1;
  flow.head.first_us = static_cast<std::int64_t>(below(1ull << 50));
  flow.first.offset = below(1ull << 40);
  flow.first.capture = static_cast<std::uint32_t>(below(9)) & kMostCaptures;
  flow.first.sequence = static_cast<std::uint32_t>((*random)());
  flow.second.gap_us = static_cast<std::uint32_t>(one_of({0, 1, 999, below(1'000'000), 5'000'000, 5'000'001, below(3'600'000'000)}));
  flow.head.last_us = flow.head.first_us + flow.second.gap_us;
  flow.second.is_backward = below(2) == 1;
  flow.second.sequence = flow.first.sequence + static_cast<std::uint32_t>(one_of({0, 1, 100, below(1ull << 32)}));
  const auto fill = [&](auto* packet) {
    packet->payload = static_cast<std::uint16_t>(one_of({0, 0, 1, 100, 1'460, 65'515}));
    packet->header = static_cast<std::uint8_t>(one_of({0, 8, 20, 32, 60}));
    packet->entropy = static_cast<std::uint16_t>(packet->payload == 0 ? 0 : below(6 * 8'192));
    packet->window = static_cast<std::uint16_t>(one_of({0, 1, 65'535}));
    packet->tcp_flags = static_cast<std::uint8_t>(one_of({kTcpSyn, kTcpSyn | kTcpAck, kTcpAck, kTcpAck | kTcpPsh, kTcpRst, kTcpFin | kTcpAck, below(256)}));
    packet->odd_layers = static_cast<std::uint8_t>(one_of({0, 0, below(8)}) & 7);
  };
  fill(&flow.first);
  fill(&flow.second);
  flow.first.ip_header = 20;
  flow.second.ip_bytes = 20u + flow.second.header + flow.second.payload;
  return flow;
}

bool TakeHistory(FlowTile* tile, FlowTile* other) {
  const History left = tile->history[0];
  const History right = other->history[0];
  std::memset(tile->history.data(), 0, sizeof(History));
  std::memset(other->history.data(), 0, sizeof(History));
  return left.letters == right.letters && left.seen == right.seen && left.count == right.count;
}

// A pair has a writer of its own, made of the same steps but for the record: what the compiler leaves
// out of it must not show. Whether the steps are right is asked by the tests of the flow table.
TEST(FlowRow, OfTwoPacketsIsThatOfTheirRecord) {
  std::mt19937_64 random(4);
  const auto record = std::make_unique<FlowRecord>();
  for (int i = 0; i < 50'000; ++i) {
    const Flow flow = AnyPair(&random);
    const auto pair = std::make_unique<FlowTile>();
    const auto whole = std::make_unique<FlowTile>();
    WritePair(flow.head, flow.first, flow.second, EndReason::kIdle, 0, pair.get());
    BeginRecord(flow.head, flow.first, flow.second, record.get());
    WriteRow(flow.head, flow.first, *record, EndReason::kIdle, 0, whole.get());
    ASSERT_EQ(whole->packets_fwd[0] + whole->packets_bwd[0], 2) << i;
    ASSERT_TRUE(TakeHistory(pair.get(), whole.get())) << i;
    ASSERT_TRUE(std::ranges::equal(std::as_bytes(std::span(pair.get(), 1)), std::as_bytes(std::span(whole.get(), 1)))) << i;
  }
}

}  // namespace
}  // namespace weir
