// A bounded queue of batches between two threads. Its batches go round: taken empty by the capture
// thread, handed over full, given back empty, so that nothing is allocated while packets flow.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "batch.h"

namespace weir::sensor {

class BatchQueue {
 public:
  explicit BatchQueue(std::size_t batches);

  // Waits for an empty batch. A slow disk is felt here: then the ring fills, and the kernel counts
  // what it drops. Null once the writing thread has ended.
  std::unique_ptr<Batch> TakeEmpty();
  // The same without waiting; null also where there is none.
  std::unique_ptr<Batch> TakeEmptyNow();
  void HandOver(std::unique_ptr<Batch> full);

  // Waits for a full batch, `patience` at most; null where none came.
  std::unique_ptr<Batch> TakeFull(std::chrono::milliseconds patience);
  void GiveBack(std::unique_ptr<Batch> empty);

  void NoMoreBatches();  // said by the capture thread
  void NoMoreReading();  // said by the writing thread
  // True once the last batch was taken and no more will come.
  bool ended() const;
  bool AtLeastHalfFull() const;

 private:
  std::unique_ptr<Batch> PopEmpty();

  mutable std::mutex mutex_;
  std::condition_variable empty_came_;
  std::condition_variable full_came_;
  std::vector<std::unique_ptr<Batch>> empty_;
  std::deque<std::unique_ptr<Batch>> full_;
  std::size_t batches_;
  bool ended_ = false;
  bool abandoned_ = false;
};

}  // namespace weir::sensor
