// The writing thread: batches in, sealed segments out. Decides where a segment ends, and counts
// what could not be kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "batch_queue.h"
#include "options.h"
#include "plain_capture.h"
#include "segment.h"
#include "spool.h"

namespace weir::sensor {

// Which run of the sensor this is: milliseconds since 1970 and a random part, 16 hexadecimal digits,
// so that names sort by time and two starts never share one.
std::string NewBootId();

class Recorder {
 public:
  // `spool` or `plain` may be null, not both; both outlive this object.
  Recorder(const Options& options, std::string source, Spool* spool, PlainCapture* plain);

  // Until the queue ends; then the last segment is sealed.
  void Run(BatchQueue* queue);
  const Counters& totals() const { return totals_; }
  std::uint64_t segments() const { return next_seq_; }

 private:
  // Records of a batch that go into one segment.
  struct Run_ {
    std::size_t begin = 0;
    std::size_t end = 0;
    Frame facts;
  };

  void Write(const Batch& batch, bool hasty);
  bool EndsBefore(const Run_& run, std::int64_t time_us, std::size_t record_bytes) const;
  bool IsOld() const;
  void Store(const Batch& batch, const Run_& run, bool hasty);
  bool StoreInSpool(const RecordFormat& format, std::span<const std::byte> records, const Frame& facts, bool hasty);
  bool OpenSegment(const RecordFormat& format, std::int64_t time_us);
  bool MakeRoom(std::uint64_t bytes);
  void Seal();
  void SealCounts();
  bool Publish();
  void GiveUpSegment();
  void DiskFailed(const std::error_code& error);
  Manifest Describe() const;
  void Finish();

  const Options& options_;
  std::string source_;
  Spool* spool_;
  PlainCapture* plain_;
  Compressor compressor_;
  std::string boot_id_ = NewBootId();
  std::unique_ptr<Segment> segment_;
  std::uint64_t next_seq_ = 0;
  std::string previous_sha256_;
  std::int64_t hour_ = 0;       // of the open segment, hours since 1970
  std::int64_t first_us_ = 0;   // time of its first packet
  std::int64_t last_seen_us_ = 0;
  std::chrono::steady_clock::time_point opened_;
  std::chrono::steady_clock::time_point disk_retry_;
  Counters counters_;  // since the last seal
  Counters totals_;
};

}  // namespace weir::sensor
