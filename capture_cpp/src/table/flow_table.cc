#include "table/flow_table.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "options.h"
#include "record/flow_growth.h"

namespace weir {
namespace {

constexpr std::int64_t kUsPerS = 1'000'000;
constexpr std::size_t kFlowsPerLatePacket = 16;
constexpr std::size_t kAhead = 8;  // entries of the wheel whose memory is fetched in advance

void CheckTimeout(const char* name, std::int64_t timeout_us) {
  if (timeout_us < 1 || timeout_us > kLongestTimeoutUs) {
    throw std::invalid_argument(std::string(name) + " is " + std::to_string(timeout_us) + " us, but must lie within 1 and " +
                                std::to_string(kLongestTimeoutUs));
  }
}

// What of the table's memory is for the first bytes of conversations.
std::size_t ApplicationBytes(const FlowSettings& settings) { return settings.parse_applications ? settings.memory_bytes / kApplicationShare : 0; }

// And what is for payloads that somebody wished for.
std::size_t KeptBytes(const FlowSettings& settings) { return settings.payload_wishes.empty() ? 0 : settings.memory_bytes / kApplicationShare; }

}  // namespace

std::size_t FlowTable::FlowsIn(const FlowSettings& settings) {
  if (settings.memory_bytes < kLeastTableBytes) {
    throw std::invalid_argument("memory_bytes is " + std::to_string(settings.memory_bytes) + ", but must be at least " + std::to_string(kLeastTableBytes));
  }
  const std::size_t memory_bytes = settings.memory_bytes - ApplicationBytes(settings) - KeptBytes(settings);
  constexpr std::size_t kFlowBytes =
      sizeof(FlowHead) + sizeof(FirstPacket) + sizeof(LaterPacket) + sizeof(FlowRecord) + TimerWheel::kEntryBytes + 4 * sizeof(std::uint32_t);
  std::size_t least = 1;
  std::size_t most = std::min<std::size_t>(memory_bytes / kFlowBytes, std::numeric_limits<std::uint32_t>::max() - 1);
  while (least < most) {
    const std::size_t middle = least + (most - least + 1) / 2;
    const bool fits = middle * kFlowBytes + FlowIndex::BytesFor(middle) <= memory_bytes;
    (fits ? least : most) = fits ? middle : middle - 1;
  }
  return least;
}

FlowTable::FlowTable(const FlowSettings& settings, const Seed& seed, FlowColumns* columns, Counts* odd)
    : settings_(settings),
      seed_(seed),
      columns_(columns),
      odd_(odd),
      reads_payload_(settings.parse_applications || !settings.payload_wishes.empty()),
      most_flows_(FlowsIn(settings)),
      heads_(most_flows_ + 1),
      firsts_(most_flows_ + 1),
      seconds_(most_flows_ + 1),
      records_(most_flows_ + 1),
      index_(&heads_),
      applications_(ApplicationBytes(settings)),
      keeper_(settings.payload_wishes, KeptBytes(settings)) {
  CheckTimeout("idle_timeout_us", settings.idle_timeout_us);
  CheckTimeout("active_timeout_us", settings.active_timeout_us);
}

void FlowTable::Add(std::span<const Packet> packets) {
  while (!packets.empty()) {
    const std::span<const Packet> batch = packets.first(std::min(packets.size(), kBatch));
    const Guesses guesses = Guess(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      AddOne(batch[i], guesses[i]);
    }
    packets = packets.subspan(batch.size());
  }
}

// Each step touches memory that the step before asked for, for all packets at once: independent
// misses cost 12 ns each, dependent ones 179 ns.
inline FlowTable::Guesses FlowTable::Guess(std::span<const Packet> packets) const {
  Guesses slots;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    slots[i] = index_.Guess(packets[i].hash);
    if (slots[i] != 0) {
      PrefetchLine(&heads_[slots[i]]);
    }
  }
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (slots[i] == 0) {
      continue;
    }
    const FlowHead& head = heads_[slots[i]];
    if (!head.HasRecord()) {
      PrefetchLine(&firsts_[slots[i]]);
      PrefetchLine(&seconds_[slots[i]]);
      continue;
    }
    const FlowRecord& record = records_[head.record];
    const bool is_backward = packets[i].is_from_b != head.is_forward_from_b;
    PrefetchLine(&record.sides[is_backward ? kBackward : kForward]);
    PrefetchLine(&record.tcp);
    PrefetchLine(&record.stream);
    PrefetchLine(&record.rhythm);
    if (packets[i].payload > 0) {
      PrefetchLine(record.bulks.data());
      PrefetchLine(&record.bulks[1]);
    }
  }
  return slots;
}

void FlowTable::AddOne(const Packet& packet, std::uint32_t guess) {
  MoveClock(packet.time_us);
  // A slot that was forgotten since has a key that no packet has.
  const std::uint32_t slot = guess != 0 && heads_[guess].key == packet.key ? guess : index_.Find(packet.hash, packet.key);
  if (slot == 0) {
    Begin(packet);
    return;
  }
  const FlowHead& head = heads_[slot];
  const bool is_new_connection = head.IsClosed() && (packet.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
  if (packet.time_us - head.last_us > settings_.idle_timeout_us) {
    Restart(slot, packet, EndReason::kIdle);
  } else if (is_new_connection) {
    Restart(slot, packet, EndReason::kFinished);
  } else if (packet.time_us - head.first_us > settings_.active_timeout_us) {
    Restart(slot, packet, EndReason::kActive);
  } else {
    Continue(slot, packet);
  }
}

// Packet time is the only clock. It follows the newest packet; a packet older by more than the idle timeout,
// whose flow would end as it begins, says that the clock that stamped it was set back, or that an earlier
// stamp was nonsense. As the way forward again may lead past every flow there is, the clock is set back only
// after a share as many of such packets.
void FlowTable::MoveClock(std::int64_t time_us) {
  if (time_us < now_us_) {
    odd_->Count(Oddity::kOutOfOrder);
    if (now_us_ - time_us <= settings_.idle_timeout_us) {
      return;
    }
    odd_->Count(Oddity::kTime);
    if (++late_packets_ * kFlowsPerLatePacket < live_) {
      return;
    }
    late_packets_ = 0;
    now_us_ = time_us;
    wheel_.SetClock(time_us / kUsPerS);
    return;
  }
  const bool is_first = now_us_ < 0;
  now_us_ = time_us;
  if (time_us < wheel_.next_second() * kUsPerS) [[likely]] {
    return;
  }
  const std::int64_t second = time_us / kUsPerS;
  if (is_first) {
    wheel_.SetClock(second);
  }
  if (second - wheel_.next_second() > TimerWheel::kSeconds) {
    wheel_.SetClock(second - TimerWheel::kSeconds);  // one turn visits every entry
  }
  while (wheel_.next_second() <= second) {
    wheel_.Advance([this](const std::vector<std::uint32_t>& due, std::size_t i) {
      PrefetchDue(due, i);
      Visit(due[i]);
    });
  }
}

void FlowTable::AdvanceTo(std::int64_t time_us) {
  if (now_us_ >= 0 && time_us > now_us_) {
    MoveClock(time_us);
  }
}

void FlowTable::PrefetchDue(const std::vector<std::uint32_t>& due, std::size_t i) const {
  if (i + 2 * kAhead < due.size()) {
    PrefetchLine(&heads_[due[i + 2 * kAhead]]);
    PrefetchLine(&firsts_[due[i + 2 * kAhead]]);
    PrefetchLine(&seconds_[due[i + 2 * kAhead]]);
  }
  if (i + kAhead / 2 < due.size()) {
    applications_.PrefetchFields(firsts_[due[i + kAhead / 2]].application);
  }
  if (i + kAhead < due.size()) {
    applications_.Prefetch(firsts_[due[i + kAhead]].application);
    const FlowHead& head = heads_[due[i + kAhead]];
    index_.Prefetch(Hash(head.key, seed_));
    if (head.HasRecord()) {
      PrefetchWhole(records_[head.record]);
    }
  }
}

// The second at whose start the flow is surely silent.
std::int64_t FlowTable::DueSecond(const FlowHead& head) const { return (head.last_us + settings_.idle_timeout_us) / kUsPerS + 1; }

void FlowTable::Visit(std::uint32_t slot) {
  const FlowHead& head = heads_[slot];
  if (IsSilent(head)) {
    End(slot, EndReason::kIdle);
    Forget(slot);
  } else {
    wheel_.Enter(slot, DueSecond(head));
  }
}

[[gnu::always_inline]] inline void FlowTable::SetFirst(std::uint32_t slot, const Packet& packet) {
  heads_[slot] = {
      .key = packet.key,
      .first_us = packet.time_us,
      .last_us = packet.time_us,
      .record = kSingle,
      .is_forward_from_b = packet.is_from_b,
      .has_fin_forward = (packet.tcp_flags & kTcpFin) != 0,
      .has_fin_backward = false,
      .has_rst = (packet.tcp_flags & kTcpRst) != 0,
      .listens = 0,
      .is_first_backward = false,
      .repeats = 0,
  };
  firsts_[slot] = {
      .offset = packet.offset,
      .capture = packet.capture & kMostCaptures,
      .odd_layers = packet.odd_layers & ((1u << kOddLayers) - 1),
      .sequence = packet.sequence,
      .application = 0,
      .ip_header = static_cast<std::uint16_t>(packet.ip_bytes - packet.header - packet.payload),
      .payload = static_cast<std::uint16_t>(packet.payload),
      .entropy = 0,
      .window = packet.window,
      .header = static_cast<std::uint8_t>(packet.header),
      .tcp_flags = packet.tcp_flags,
      .icmp_type = packet.icmp_type,
      .icmp_code = packet.icmp_code,
  };
}

void FlowTable::Begin(const Packet& packet) {
  if (live_ == most_flows_) {
    EvictOldest();
  }
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = ++used_slots_;
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  ++live_;
  SetFirst(slot, packet);
  firsts_[slot].entropy = Hear(slot, packet, kForward, true, false);
  index_.Insert(packet.hash, slot);
  wheel_.Enter(slot, DueSecond(heads_[slot]));
}

// Ends a flow whose key goes on with a new record, in the same slot. Where the flow was only cut, who spoke first did so before:
// its sides stay what they were, and so do the sequence numbers that come next and what its ICMP was about.
void FlowTable::Restart(std::uint32_t slot, const Packet& packet, EndReason reason) {
  FlowHead& head = heads_[slot];
  FirstPacket& first = firsts_[slot];
  const bool goes_on = reason == EndReason::kActive;
  const bool has_numbers = goes_on && packet.key.protocol == kProtocolTcp;
  const TcpStream before = has_numbers ? StreamUntilNow(slot) : TcpStream{};
  End(slot, reason);
  const bool was_forward_from_b = head.is_forward_from_b;
  const bool is_turned = goes_on && packet.is_from_b != was_forward_from_b;
  const std::uint32_t repeats = head.first_us == packet.time_us ? head.repeats + 1u : 0;
  const auto [icmp_type, icmp_code] = std::pair(first.icmp_type, first.icmp_code);
  SetFirst(slot, packet);
  head.repeats = static_cast<std::uint16_t>(std::min<std::uint32_t>(repeats, kMostRepeats));
  if (is_turned) {
    head.is_first_backward = true;
    head.is_forward_from_b = was_forward_from_b;
    head.has_fin_backward = head.has_fin_forward;
    head.has_fin_forward = false;
    first.icmp_type = icmp_type;
    first.icmp_code = icmp_code;
  }
  const std::size_t side = is_turned ? kBackward : kForward;
  first.entropy = Hear(slot, packet, side, true, false);
  if (is_turned || has_numbers) {
    head.record = TakeRecord();
    BeginAgain(head, first, side, before, &records_[head.record]);
  }
}

// What the flow's sides said in TCP.
TcpStream FlowTable::StreamUntilNow(std::uint32_t slot) const {
  const FlowHead& head = heads_[slot];
  if (head.HasRecord()) {
    return records_[head.record].stream;
  }
  const FirstPacket& first = firsts_[slot];
  TcpStream stream = first.header > 0 ? StreamOf(first.tcp_flags, first.sequence, first.payload, first.window) : TcpStream{};
  const LaterPacket& second = seconds_[slot];
  if (head.record == kPair && second.header > 0) {  // later fragments have none
    AddToStream(second.tcp_flags, second.sequence, second.payload, second.window, second.is_backward ? kBackward : kForward, &stream);
  }
  return stream;
}

inline std::uint32_t FlowTable::TakeRecord() {
  if (free_records_.empty()) {
    return ++used_records_;
  }
  const std::uint32_t record = free_records_.back();
  free_records_.pop_back();
  return record;
}

// The record of a flow that has its third packet, at the latest.
FlowRecord& FlowTable::RecordOf(std::uint32_t slot) {
  FlowHead& head = heads_[slot];
  if (head.HasRecord()) {
    return records_[head.record];
  }
  head.record = TakeRecord();
  BeginRecord(head, firsts_[slot], seconds_[slot], &records_[head.record]);
  return records_[head.record];
}

[[gnu::always_inline]] inline void FlowTable::Continue(std::uint32_t slot, const Packet& packet) {
  FlowHead& head = heads_[slot];
  const std::size_t side = packet.is_from_b == head.is_forward_from_b ? kForward : kBackward;
  // A packet that comes out of order counts as coming with the one before it, so no gap is negative.
  const std::int64_t time_us = std::max(packet.time_us, head.last_us);
  if (head.record == kSingle) {
    const std::uint16_t entropy = Hear(slot, packet, side, false, side == kForward && firsts_[slot].payload > 0);
    seconds_[slot] = Later(head, packet, time_us, side, entropy);
    head.record = kPair;
  } else {
    FlowRecord& record = RecordOf(slot);
    if (record.sides[side].packets == kMostPackets) [[unlikely]] {
      Restart(slot, packet, EndReason::kActive);
      return;
    }
    const std::uint16_t entropy = Hear(slot, packet, side, false, record.sides[side].payload > 0);
    AddToRecord(head, packet, time_us, side, entropy, &record);
  }
  head.last_us = time_us;
  if ((packet.tcp_flags & (kTcpFin | kTcpRst)) != 0) {
    NoteTcpEnd(packet, side, &head);
  }
}

// Reads the packet's payload where that is wanted: its entropy, if it is the first of its side, or 0.
[[gnu::always_inline]] inline std::uint16_t FlowTable::Hear(std::uint32_t slot, const Packet& packet, std::size_t side, bool is_first, bool has_payload) {
  return reads_payload_ && !packet.captured.empty() ? HearOut(slot, packet, side, is_first, has_payload) : std::uint16_t{0};
}

void FlowTable::NoteTcpEnd(const Packet& packet, std::size_t side, FlowHead* head) {
  const bool has_fin = (packet.tcp_flags & kTcpFin) != 0;
  head->has_fin_forward |= has_fin && side == kForward;
  head->has_fin_backward |= has_fin && side == kBackward;
  head->has_rst |= (packet.tcp_flags & kTcpRst) != 0;
}

// The flow that has been silent the longest, to the second; within one, the one entered first.
void FlowTable::EvictOldest() {
  for (;;) {
    std::int64_t second = 0;
    const std::uint32_t slot = wheel_.TakeFirst(&second);
    const std::int64_t due = DueSecond(heads_[slot]);
    if (due > second && second < wheel_.next_second() + TimerWheel::kSeconds - 1) {
      wheel_.Enter(slot, due);
      continue;
    }
    End(slot, IsSilent(heads_[slot]) ? EndReason::kIdle : EndReason::kTableFull);
    Forget(slot);
    return;
  }
}

// Writes the flow's row. A closed TCP connection that only waited to be forgotten has finished.
void FlowTable::End(std::uint32_t slot, EndReason reason) {
  FlowHead& head = heads_[slot];
  const bool only_waited = reason == EndReason::kIdle || reason == EndReason::kForced;
  const EndReason shown = only_waited && head.IsClosed() ? EndReason::kFinished : reason;
  const FirstPacket& first = firsts_[slot];
  if (head.record == kSingle) {
    columns_->AppendSingle(head, first, shown);
  } else if (head.record == kPair) {
    columns_->AppendPair(head, first, seconds_[slot], shown);
  } else {
    columns_->Append(head, first, records_[head.record], shown);
    free_records_.push_back(head.record);
  }
  head.record = kSingle;
  if (first.application != 0) {
    if (const FieldsPool::Handle fields = applications_.Take(first.application); fields != nullptr) {
      columns_->AppendFields(*fields);
    }
  }
  if (!keeper_.is_idle()) {
    columns_->AppendPayloads(keeper_.Take(slot));
  }
}

void FlowTable::Forget(std::uint32_t slot) {
  index_.Erase(Hash(heads_[slot].key, seed_), slot);
  heads_[slot].key.ip_version = 0;
  free_slots_.push_back(slot);
  --live_;
}

void FlowTable::Finish() {
  for (std::int64_t seconds = 0; seconds < TimerWheel::kSeconds; ++seconds) {
    wheel_.Advance([this](const std::vector<std::uint32_t>& due, std::size_t i) {
      PrefetchDue(due, i);
      End(due[i], IsSilent(heads_[due[i]]) ? EndReason::kIdle : EndReason::kForced);
    });
  }
  columns_->Flush();
}

}  // namespace weir
