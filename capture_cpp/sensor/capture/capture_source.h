// Where packets come from, and how the capture thread hands them on.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch.h"
#include "batch_queue.h"
#include "checkpoint.h"
#include "stop_signal.h"

namespace weir::sensor {

// Fills batches and hands them over when they are full, old or asked for.
class Feeder {
 public:
  // `most` packets are taken at most; 0 = no limit.
  Feeder(BatchQueue* queue, Checkpoint* checkpoint, std::uint64_t most);

  // One packet that the filter took. `data` holds header.captured bytes; a file says where in it the
  // record begins.
  void Take(const RecordFormat& format, const RecordHeader& header, const std::uint8_t* data,
            std::optional<std::uint64_t> offset = std::nullopt);
  // What packets are like before the first one comes.
  void Expect(const RecordFormat& format);
  // One packet that the filter rejected.
  void Reject(const RecordFormat& format, std::int64_t time_us);
  // Packets lost before they could be read, all since the start.
  void SetDrops(std::uint64_t kernel, std::uint64_t interface);
  void AddGaps(std::vector<Gap> gaps);
  void SetUnread(std::uint64_t packets) { batch_->tally.unread = packets; }

  // Every packet up to this time was read.
  void SetQuiet(std::int64_t time_us) { batch_->quiet_until_us = time_us; }

  void HandOver();
  void Seal();
  // True once enough packets were taken, or nobody writes them any more.
  bool done() const { return done_; }
  std::uint64_t taken() const { return taken_; }

 private:
  BatchQueue* queue_;
  Checkpoint* checkpoint_;
  std::unique_ptr<Batch> batch_;
  RecordFormat told_;  // of the last batch handed over
  std::uint64_t most_;
  std::uint64_t taken_ = 0;
  std::uint64_t kernel_drops_ = 0;
  std::uint64_t interface_drops_ = 0;
  bool done_ = false;
};

class CaptureSource {
 public:
  virtual ~CaptureSource() = default;
  // Runs until the source ends, the feeder is done or the signal says stop.
  virtual void Run(Feeder* feeder, StopSignal* signal) = 0;
  // For the manifest: "live:eth0" or "file:trace.pcap".
  virtual std::string Name() const = 0;
};

}  // namespace weir::sensor
