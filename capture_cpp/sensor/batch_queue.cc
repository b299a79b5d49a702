#include "batch_queue.h"

#include <utility>

namespace weir::sensor {

BatchQueue::BatchQueue(std::size_t batches) : batches_(batches) {
  for (std::size_t i = 0; i < batches; ++i) empty_.push_back(std::make_unique<Batch>());
}

std::unique_ptr<Batch> BatchQueue::TakeEmpty() {
  std::unique_lock lock(mutex_);
  empty_came_.wait(lock, [this] { return !empty_.empty() || abandoned_; });
  return PopEmpty();
}

std::unique_ptr<Batch> BatchQueue::TakeEmptyNow() {
  const std::scoped_lock lock(mutex_);
  return PopEmpty();
}

std::unique_ptr<Batch> BatchQueue::PopEmpty() {
  if (abandoned_ || empty_.empty()) return nullptr;
  std::unique_ptr<Batch> batch = std::move(empty_.back());
  empty_.pop_back();
  return batch;
}

void BatchQueue::HandOver(std::unique_ptr<Batch> full) {
  {
    const std::scoped_lock lock(mutex_);
    full_.push_back(std::move(full));
  }
  full_came_.notify_one();
}

std::unique_ptr<Batch> BatchQueue::TakeFull(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  full_came_.wait_for(lock, patience, [this] { return !full_.empty() || ended_; });
  if (full_.empty()) return nullptr;
  std::unique_ptr<Batch> batch = std::move(full_.front());
  full_.pop_front();
  return batch;
}

void BatchQueue::GiveBack(std::unique_ptr<Batch> empty) {
  empty->Clear();
  {
    const std::scoped_lock lock(mutex_);
    empty_.push_back(std::move(empty));
  }
  empty_came_.notify_one();
}

void BatchQueue::NoMoreBatches() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
  }
  full_came_.notify_all();
}

void BatchQueue::NoMoreReading() {
  {
    const std::scoped_lock lock(mutex_);
    abandoned_ = true;
  }
  empty_came_.notify_all();
}

bool BatchQueue::ended() const {
  const std::scoped_lock lock(mutex_);
  return ended_ && full_.empty();
}

bool BatchQueue::AtLeastHalfFull() const {
  const std::scoped_lock lock(mutex_);
  return full_.size() * 2 >= batches_;
}

}  // namespace weir::sensor
