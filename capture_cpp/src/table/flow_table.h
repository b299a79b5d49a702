// Groups packets into bidirectional flows and hands each finished one to the columns.
//
// A flow ends because a packet came late, never because a clock ticked:
//   idle        no packet for longer than the idle timeout
//   active      it lasts longer than the active timeout; what follows is a new record, whose sides and sequence numbers stay what they were
//   finished    TCP was closed by both FINs or an RST, and then a SYN came, or nothing more
//   table_full  memory was short and this flow had been silent the longest
//   forced      the captures ended
// Rows come in the order in which flows end. That order depends on packets alone, not on the seed
// or on where memory lies, so the same packets give the same rows.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "application/applications.h"
#include "columns/flow_columns.h"
#include "counts.h"
#include "hash.h"
#include "memory.h"
#include "options.h"
#include "packet.h"
#include "record/flow_record.h"
#include "record/payload_keeper.h"
#include "table/flow_index.h"
#include "table/timer_wheel.h"

namespace weir {

struct FlowSettings {
  std::int64_t idle_timeout_us;
  std::int64_t active_timeout_us;
  std::size_t memory_bytes;  // what live flows may take at most; finished rows are not counted
  bool parse_applications = true;  // whether payload is looked at
  std::vector<PayloadWish> payload_wishes = {};  // flows whose first payloads are handed over with their rows
};

class FlowTable {
 public:
  // Throws std::invalid_argument when a setting is out of range. `columns` and `odd` outlive it.
  FlowTable(const FlowSettings& settings, const Seed& seed, FlowColumns* columns, Counts* odd);

  // Asks for the memory that finding the packet's flow will need first.
  void PrefetchBucket(const Packet& packet) const { index_.Prefetch(packet.hash); }

  // Adds packets in the order given; at most kBatch of them use the memory best.
  void Add(std::span<const Packet> packets);

  // Ends the flows that are silent at this time, as a packet of a flow of its own would.
  void AdvanceTo(std::int64_t time_us);

  // Ends all flows; nothing can be added afterwards.
  void Finish();

  std::size_t most_flows() const { return most_flows_; }

  // Flows whose first bytes went unread, as memory was short.
  std::uint64_t unread_applications() const { return applications_.unread() + keeper_.missed(); }

 private:
  static std::size_t FlowsIn(const FlowSettings& settings);
  // Slots that probably hold the flows of packets; 0 where there is none.
  using Guesses = std::array<std::uint32_t, kBatch>;
  Guesses Guess(std::span<const Packet> packets) const;
  void AddOne(const Packet& packet, std::uint32_t guess);
  void MoveClock(std::int64_t time_us);
  void PrefetchDue(const std::vector<std::uint32_t>& due, std::size_t i) const;
  void Visit(std::uint32_t slot);
  void Begin(const Packet& packet);
  void Restart(std::uint32_t slot, const Packet& packet, EndReason reason);
  void SetFirst(std::uint32_t slot, const Packet& packet);
  void Continue(std::uint32_t slot, const Packet& packet);
  TcpStream StreamUntilNow(std::uint32_t slot) const;
  std::uint32_t TakeRecord();
  FlowRecord& RecordOf(std::uint32_t slot);
  std::uint16_t Hear(std::uint32_t slot, const Packet& packet, std::size_t side, bool is_first, bool has_payload);
  std::uint16_t HearOut(std::uint32_t slot, const Packet& packet, std::size_t side, bool is_first, bool has_payload);
  std::int32_t Ahead(std::uint32_t slot, const Packet& packet, std::size_t side) const;
  std::uint32_t PacketsOf(std::uint32_t slot, std::size_t side) const;
  void Listen(std::uint32_t slot, const Packet& packet, std::size_t side, std::int32_t ahead);
  static void NoteTcpEnd(const Packet& packet, std::size_t side, FlowHead* head);
  bool IsSilent(const FlowHead& head) const { return now_us_ > head.last_us + settings_.idle_timeout_us; }
  std::int64_t DueSecond(const FlowHead& head) const;
  void EvictOldest();
  void End(std::uint32_t slot, EndReason reason);
  void Forget(std::uint32_t slot);

  FlowSettings settings_;
  Seed seed_;
  FlowColumns* columns_;
  Counts* odd_;
  bool reads_payload_;
  std::size_t most_flows_;
  LargeArray<FlowHead> heads_;
  LargeArray<FirstPacket> firsts_;
  LargeArray<LaterPacket> seconds_;
  LargeArray<FlowRecord> records_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint32_t> free_records_;
  std::uint32_t used_slots_ = 0;    // slots 1..used_slots_ have been in use
  std::uint32_t used_records_ = 0;
  std::size_t live_ = 0;
  std::size_t late_packets_ = 0;  // that the clock was not yet set back for
  FlowIndex index_;
  TimerWheel wheel_;
  Applications applications_;
  PayloadKeeper keeper_;
  std::int64_t now_us_ = -1;  // the newest packet's time
};

}  // namespace weir
