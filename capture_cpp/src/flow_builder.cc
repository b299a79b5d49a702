#include "flow_builder.h"

#include <memory>
#include <utility>

#include "options.h"

namespace weir {

FlowBuilder::FlowBuilder(const FlowSettings& settings, const Seed& seed, FlowSink sink, std::int64_t batch_rows)
    : columns_(std::move(sink), batch_rows), decoder_(seed, &counts_), table_(settings, seed, &columns_, &counts_), batch_(kBatch) {}

void FlowBuilder::Read(CaptureFile* capture) {
  // Packets wait in a batch, whose bytes lie in the capture's buffer; also when the capture breaks off.
  const auto add = [this](CaptureFile* emptied) {
    AddBatch();
    emptied->OnRefill({});
  };
  const std::unique_ptr<CaptureFile, decltype(add)> at_the_end(capture, add);
  capture->OnRefill([this] { AddBatch(); });
  Record record{};
  while (capture->Next(&record)) {
    Decode(record);
  }
  counts_.truncated_tails += capture->truncated_tail() > 0 ? 1 : 0;
  counts_.empty_files += capture->is_empty() ? 1 : 0;
  ++captures_;
}

void FlowBuilder::Add(const Record& record) {
  Decode(record);
  AddBatch();
}

void FlowBuilder::Decode(const Record& record) {
  ++counts_.read;
  if (record.is_time_odd) {
    counts_.Count(Oddity::kTime);
  }
  Packet& packet = batch_[batch_size_];
  const Outcome outcome = decoder_.Decode(record, &packet);
  counts_.Count(outcome);
  if (outcome != Outcome::kAccepted) {
    return;
  }
  packet.capture = captures_;
  table_.PrefetchBucket(packet);
  if (++batch_size_ == kBatch) {
    AddBatch();
  }
  if (decoder_.has_found_late()) [[unlikely]] {
    AddFoundLate();
  }
}

[[gnu::noinline]] void FlowBuilder::AddFoundLate() {
  AddBatch();
  std::vector<Packet> late = decoder_.TakeFoundLate();
  for (Packet& packet : late) {
    counts_.Recount(Outcome::kFragment, Outcome::kAccepted);
    packet.capture = captures_;
  }
  table_.Add(late);
}

void FlowBuilder::HandOver() {
  AddBatch();
  columns_.Flush();
}

void FlowBuilder::AdvanceTo(std::int64_t time_us) {
  AddBatch();
  table_.AdvanceTo(time_us);
}

void FlowBuilder::AddBatch() {
  table_.Add({batch_.data(), batch_size_});
  batch_size_ = 0;
}

void FlowBuilder::Finish() {
  table_.Finish();
  counts_.unread_applications = table_.unread_applications();
}

}  // namespace weir
