#include "capture_source.h"

namespace weir::sensor {

Feeder::Feeder(BatchQueue* queue, std::uint64_t most) : queue_(queue), batch_(queue->TakeEmpty()), most_(most) {}

void Feeder::Take(const RecordFormat& format, const RecordHeader& header, const std::uint8_t* data) {
  if (done_) return;
  if (!batch_->HasRoomFor(header.captured) || (!batch_->empty() && batch_->format != format)) {
    HandOver();
    if (done_) return;
  }
  batch_->format = format;
  batch_->Append(header, data);
  batch_->last_seen_us = header.Microseconds(format.nanoseconds);
  done_ = ++taken_ == most_;
}

void Feeder::Reject(std::int64_t time_us) {
  ++batch_->tally.filtered;
  batch_->last_seen_us = time_us;
}

void Feeder::HandOver() {
  if (batch_->empty() && batch_->tally.AllZero() && !batch_->seal_after) return;
  queue_->HandOver(std::move(batch_));
  batch_ = queue_->TakeEmpty();
  if (batch_ == nullptr) {
    batch_ = std::make_unique<Batch>();
    done_ = true;
  }
}

void Feeder::Seal() {
  batch_->seal_after = true;
  HandOver();
}

}  // namespace weir::sensor
