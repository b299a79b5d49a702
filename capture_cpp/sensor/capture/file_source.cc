#include "capture/file_source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "capture/filter.h"
#include "events.h"
#include "reader/capture_error.h"
#include "reader/capture_file.h"

namespace weir::sensor {
namespace {

// Signals are looked for once in this many packets.
constexpr std::uint64_t kPacketsPerLook = 4096;
constexpr std::uint32_t kNanosecondsPerMicrosecond = 1000;

// Standard input that can be told to stop while nothing comes, and that does not let packets wait
// for others.
class Pipe : public ByteSource {
 public:
  Pipe(Feeder* feeder, StopSignal* signal) : feeder_(feeder), signal_(signal) {}

  std::size_t Read(std::span<std::uint8_t> room) override {
    while (!is_stopped_ && !HasInput()) continue;
    if (is_stopped_) return 0;
    const ssize_t got = ::read(STDIN_FILENO, room.data(), room.size());
    if (got < 0) throw CaptureError("-", 0, std::string("cannot be read: ") + std::strerror(errno));
    return static_cast<std::size_t>(got);
  }

  bool is_stopped() const { return is_stopped_; }

 private:
  bool HasInput() {
    std::array<pollfd, 2> events = {{{STDIN_FILENO, POLLIN, 0}, {signal_->descriptor(), POLLIN, 0}}};
    const int ready = ::poll(events.data(), events.size(), kHandOverMilliseconds);
    if (ready == 0) feeder_->HandOver();
    is_stopped_ = signal_->Take(&seals_) == Wish::kStop || feeder_->done();
    return events[0].revents != 0;
  }

  Feeder* feeder_;
  StopSignal* signal_;
  std::uint64_t seals_ = 0;  // segments of a file end by its packets alone
  bool is_stopped_ = false;
};

class FileSource : public CaptureSource {
 public:
  explicit FileSource(const Options& options)
      : name_(options.file), snaplen_(options.snaplen), filter_(options.filter, options.snaplen) {
    if (name_ != "-") file_.emplace(name_);
  }

  std::string Name() const override { return "file:" + name_; }
  void Run(Feeder* feeder, StopSignal* signal) override;

 private:
  void Offer(const RecordFormat& format, const Record& record, Feeder* feeder);
  RecordHeader HeaderOf(const Record& record, bool nanoseconds);
  void SayOddities(const CaptureFile& file) const;

  std::string name_;
  std::uint32_t snaplen_;
  FileFilter filter_;
  std::optional<CaptureFile> file_;
  bool is_stopped_ = false;
  std::uint64_t seals_ = 0;
  std::uint64_t odd_times_ = 0;
};

void FileSource::Run(Feeder* feeder, StopSignal* signal) {
  const Pipe* pipe = nullptr;
  if (!file_) {
    auto source = std::make_unique<Pipe>(feeder, signal);
    pipe = source.get();
    file_.emplace(name_, Unpacked(name_, std::move(source)));
  }
  CaptureFile& file = file_.value();
  Record record;
  for (std::uint64_t packets = 1; !feeder->done() && file.Next(&record); ++packets) {
    Offer({record.link_type, file.is_nanoseconds()}, record, feeder);
    is_stopped_ = packets % kPacketsPerLook == 0 && signal->Take(&seals_) == Wish::kStop;
    if (is_stopped_) break;
  }
  if (pipe != nullptr && pipe->is_stopped()) is_stopped_ = true;
  SayOddities(file);
}

void FileSource::Offer(const RecordFormat& format, const Record& record, Feeder* feeder) {
  RecordHeader header = HeaderOf(record, format.nanoseconds);
  if (!filter_.Takes(format.link_type, header, record.bytes.data())) {
    feeder->Reject(format, header.Microseconds(format.nanoseconds));
    return;
  }
  header.captured = std::min(header.captured, snaplen_);
  feeder->Take(format, header, record.bytes.data(), record.offset);
}

// A pcap record holds times up to 2106; later ones, which only pcapng can say, become the last of these.
RecordHeader FileSource::HeaderOf(const Record& record, bool nanoseconds) {
  constexpr std::int64_t kLatestSecond = std::numeric_limits<std::uint32_t>::max();
  const std::int64_t seconds = record.time_us / kMicrosecondsPerSecond;
  const auto microseconds = static_cast<std::uint32_t>(record.time_us % kMicrosecondsPerSecond);
  if (record.is_time_odd || seconds > kLatestSecond) ++odd_times_;
  return {static_cast<std::uint32_t>(std::min(seconds, kLatestSecond)),
          nanoseconds ? microseconds * kNanosecondsPerMicrosecond + record.rest_ns : microseconds,
          static_cast<std::uint32_t>(record.bytes.size()), record.wire_bytes};
}

void FileSource::SayOddities(const CaptureFile& file) const {
  if (odd_times_ > 0) Say(Event("odd_time").Text("file", name_).Count("packets", odd_times_));
  if (is_stopped_) return;
  if (file.is_empty()) {
    Say(Event("odd_empty_file").Text("file", name_)
            .Text("what", "it holds nothing, not even the header of a capture; its writer may have been stopped"));
  }
  if (file.truncated_tail() > 0) {
    Say(Event("odd_truncated_tail").Text("file", name_).Count("bytes", file.truncated_tail())
            .Text("what", "the capture ends inside a record; its writer may have been stopped"));
  }
}

}  // namespace

std::unique_ptr<CaptureSource> OpenFileSource(const Options& options) { return std::make_unique<FileSource>(options); }

}  // namespace weir::sensor
