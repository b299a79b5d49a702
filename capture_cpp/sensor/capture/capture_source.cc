#include "capture/capture_source.h"

#include <iterator>

namespace weir::sensor {

Feeder::Feeder(BatchQueue* queue, Checkpoint* checkpoint, std::uint64_t most)
    : queue_(queue), checkpoint_(checkpoint), batch_(queue->TakeEmpty()), most_(most) {}

void Feeder::Take(const RecordFormat& format, const RecordHeader& header, const std::uint8_t* data,
                  std::optional<std::uint64_t> offset) {
  if (done_) return;
  checkpoint_->CountRead();
  if (!batch_->HasRoomFor(header.captured) || (!batch_->empty() && batch_->format != format)) {
    HandOver();
  }
  batch_->format = format;
  batch_->Append(header, data);
  if (offset) batch_->offsets.push_back(*offset);
  batch_->last_seen_us = header.Microseconds(format.nanoseconds);
  if (++taken_ == most_) done_ = true;
}

void Feeder::Expect(const RecordFormat& format) {
  if (batch_->empty()) batch_->format = format;
}

void Feeder::Reject(const RecordFormat& format, std::int64_t time_us) {
  Expect(format);
  checkpoint_->CountFiltered();
  ++batch_->tally.filtered;
  batch_->last_seen_us = time_us;
}

void Feeder::SetDrops(std::uint64_t kernel, std::uint64_t interface) {
  batch_->tally.kernel_dropped += kernel - kernel_drops_;
  batch_->tally.interface_dropped += interface - interface_drops_;
  kernel_drops_ = kernel;
  interface_drops_ = interface;
  checkpoint_->CountDrops(kernel, interface);
}

void Feeder::AddGaps(std::vector<Gap> gaps) {
  batch_->gaps.insert(batch_->gaps.end(), std::make_move_iterator(gaps.begin()), std::make_move_iterator(gaps.end()));
}

void Feeder::HandOver() {
  const bool has_news = !batch_->tally.AllZero() || !batch_->gaps.empty() || batch_->format != told_;
  if (batch_->empty() && !has_news && !batch_->seal_after && batch_->quiet_until_us == 0) return;
  told_ = batch_->format;
  queue_->HandOver(std::move(batch_));
  batch_ = queue_->TakeEmpty();
  if (batch_ == nullptr) {
    batch_ = std::make_unique<Batch>();
    done_ = true;
  }
  batch_->format = told_;
}

void Feeder::Seal() {
  batch_->seal_after = true;
  HandOver();
}

}  // namespace weir::sensor
