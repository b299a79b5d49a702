// The writing thread: batches in, sealed segments out. Decides where a segment ends, and counts
// what could not be kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch_queue.h"
#include "capture_options.h"
#include "checkpoint.h"
#include "privacy/privacy.h"
#include "store/host_index.h"
#include "store/plain_capture.h"
#include "store/segment.h"
#include "store/spool.h"
#include "store/state_file.h"

namespace weir::sensor {

class FlowStage;

class Recorder {
 public:
  // `spool` and `plain` may be null, and where both are, packets are for the flows alone; all of them
  // outlive this object.
  // `privacy` may be null too: then packets stay as they are; and so may `flows`, which is shown every
  // batch that was recorded.
  Recorder(const Options& options, std::string source, Spool* spool, PlainCapture* plain, const std::string& boot_id,
           Checkpoint* checkpoint, Privacy* privacy, FlowStage* flows);

  // Until the queue ends; then the last segment is sealed.
  void Run(BatchQueue* queue);
  const Counters& totals() const { return totals_; }
  // Packets that the plain file lacks though there is a spool, which may have them.
  std::uint64_t plain_lost() const { return plain_lost_; }
  // True where the spool reached its limit and the sensor was told to stop then.
  bool is_stopped() const { return is_stopped_; }
  // True where every count is in a sealed segment.
  bool is_settled() const { return !HasNews(); }

 private:
  // Records of a batch that go into one segment.
  struct Stretch {
    std::size_t begin = 0;
    std::size_t end = 0;
    Frame facts;
  };

  void Write(Batch* batch, bool hasty);
  void Show(std::unique_ptr<Batch>* batch);
  void WriteRecords(const Batch& batch, bool hasty);
  bool EndsBefore(const Stretch& stretch, std::int64_t time_us, std::size_t record_bytes) const;
  bool IsOld() const;
  void Store(const Batch& batch, Stretch* stretch, bool hasty);
  void MoveLost();
  bool StoreInSpool(const RecordFormat& format, std::span<const std::byte> records, const Frame& facts, bool hasty);
  bool TryToStore(const RecordFormat& format, std::span<const std::byte> records, const Frame& facts, bool hasty);
  bool OpenSegment(const RecordFormat& format, std::int64_t time_us);
  void DropUntilRoomFor(std::uint64_t bytes);
  bool Drop(const Spool::Sealed& segment);
  bool MakeRoom(std::uint64_t bytes);
  void Hear(const std::vector<Gap>& gaps);
  // Whether there is something to say that no segment has said.
  bool HasNews() const { return !counters_.AllZero() || !sealed_.carried.AllZero() || !gaps_.empty() || (lasting_gap_ && !is_gap_told_); }
  void Seal();
  void SealCounts();
  void WriteState();
  bool Publish();
  void Sealed(const Manifest& manifest);
  Counters Totals() const;
  void GiveUpSegment();
  void DiskFailed(const std::error_code& error);
  bool CanWaitForDisk() const;
  bool AwaitDisk();
  void TryDiskLater();
  Manifest Describe() const;
  void Finish();

  const Options& options_;
  std::string source_;
  Spool* spool_;
  PlainCapture* plain_;
  Compressor compressor_;
  HostIndex hosts_;  // of the stretch in hand
  std::string boot_id_;
  Checkpoint* checkpoint_;
  Privacy* privacy_;
  FlowStage* flows_;
  BatchQueue* queue_ = nullptr;
  std::unique_ptr<Segment> segment_;
  SealedSoFar sealed_;
  bool is_stopped_ = false;
  bool is_full_ = false;     // the spool, and that was said
  Counters given_up_;        // written and truncated of this run's segments that were dropped
  std::int64_t hour_ = 0;       // of the open segment, hours since 1970
  std::int64_t first_us_ = 0;   // time of its first packet
  std::int64_t last_seen_us_ = 0;
  RecordFormat format_;         // of the last batch
  std::chrono::steady_clock::time_point opened_;
  std::chrono::steady_clock::time_point disk_retry_;
  int disk_waits_ = 0;  // for a disk that failed, since it took packets
  Counters counters_;  // since the last seal
  std::vector<Gap> gaps_;  // that ended since the last seal
  std::optional<Gap> lasting_gap_;
  bool is_gap_told_ = false;  // that one, by a manifest
  StateFile state_;
  Counters totals_;    // once Run() has ended
  std::uint64_t plain_lost_ = 0;
};

}  // namespace weir::sensor
