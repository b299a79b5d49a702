#include "recorder.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "clock.h"
#include "events.h"
#include "flows/flow_stage.h"
#include "memory.h"
#include "store/names.h"
#include "store/segment_scan.h"

namespace weir::sensor {
namespace {

using Clock = std::chrono::steady_clock;

// How long the writing thread sleeps at most; a segment on a silent interface ends this late.
constexpr std::chrono::milliseconds kLook(kHandOverMilliseconds);
// Space taken by one frame's line in a manifest, for the limit of the spool.
constexpr std::uint64_t kManifestBytesPerFrame = 1000;
// A file waits for a disk that failed: first so long, then twice as long each time, 3 s in all.
constexpr std::chrono::milliseconds kFirstDiskWait(50);
constexpr int kMostDiskWaits = 6;

std::int64_t HourOf(std::int64_t time_us) { return time_us / kMicrosecondsPerHour; }

// Asks for the headers of a record, which another thread wrote and this one looks at next.
void PrefetchRecord(std::span<const std::byte> records, std::size_t at) {
  PrefetchLine(records.data() + at);
  PrefetchLine(records.data() + at + kCacheLine);
}

}  // namespace

Recorder::Recorder(const Options& options, std::string source, Spool* spool, PlainCapture* plain, const std::string& boot_id,
                   Checkpoint* checkpoint, Privacy* privacy, FlowStage* flows)
    : options_(options), source_(std::move(source)), spool_(spool), plain_(plain), compressor_(options.level),
      boot_id_(boot_id), checkpoint_(checkpoint), privacy_(privacy), flows_(flows), state_(options.sensor, boot_id) {}

void Recorder::Run(BatchQueue* queue) {
  queue_ = queue;
  const bool is_live = !options_.interface.empty();
  while (!queue->ended()) {
    if (std::unique_ptr<Batch> batch = queue->TakeFull(kLook)) {
      Write(batch.get(), is_live && queue->AtLeastHalfFull());
      if (flows_ != nullptr) Show(&batch);
      queue->GiveBack(std::move(batch));
    }
    if (is_live && segment_ && IsOld()) Seal();
    if (is_live && spool_ != nullptr) WriteState();
  }
  Finish();
}

void Recorder::Show(std::unique_ptr<Batch>* batch) {
  flows_->Offer(batch);
  const bool is_for_nobody = spool_ == nullptr && plain_ == nullptr && !flows_->is_wanted();
  if (is_for_nobody) queue_->NoMoreReading();
}

bool Recorder::IsOld() const { return Clock::now() - opened_ >= std::chrono::seconds(options_.rotate_seconds); }

void Recorder::Write(Batch* batch, bool hasty) {
  const Counters& tally = batch->tally;
  counters_ += tally;
  counters_.read += tally.filtered;
  counters_.received += tally.filtered + tally.kernel_dropped + tally.unread;
  Hear(batch->gaps);
  format_ = batch->format;
  if (batch->last_seen_us != 0) last_seen_us_ = batch->last_seen_us;
  if (privacy_ != nullptr) privacy_->Edit(batch);
  if (segment_ && !batch->empty() && segment_->format() != batch->format) Seal();
  WriteRecords(*batch, hasty);
  if (batch->seal_after) {
    Seal();
    if (spool_ != nullptr) SealCounts();
  }
}

void Recorder::Hear(const std::vector<Gap>& gaps) {
  for (const Gap& gap : gaps) {
    lasting_gap_.reset();
    is_gap_told_ = false;
    gap.lasts() ? static_cast<void>(lasting_gap_ = gap) : gaps_.push_back(gap);
  }
}

void Recorder::WriteRecords(const Batch& batch, bool hasty) {
  if (spool_ == nullptr) {  // nothing to cut into segments, so no record is looked at
    Stretch whole = {0, batch.records().size(), {}};
    whole.facts.packets = batch.packets();
    whole.facts.truncated = batch.truncated();
    return Store(batch, &whole, hasty);
  }
  const std::span<const std::byte> records = batch.records();
  Stretch stretch;
  while (stretch.end < records.size()) {
    RecordHeader header = {};
    std::memcpy(&header, records.data() + stretch.end, sizeof header);
    const std::int64_t time_us = header.Microseconds(batch.format.nanoseconds);
    const std::size_t record_bytes = sizeof header + header.captured;
    PrefetchRecord(records, stretch.end + record_bytes);
    if (EndsBefore(stretch, time_us, record_bytes)) {
      Store(batch, &stretch, hasty);
      Seal();
      stretch = {stretch.end, stretch.end, {}};
    }
    if (!segment_ && stretch.facts.packets == 0) {
      first_us_ = time_us;
      hour_ = HourOf(time_us);
    }
    Note(header, time_us, &stretch.facts);
    hosts_.Add(batch.format.link_type, PacketOf(records.subspan(stretch.end), header), header.length);
    stretch.end += record_bytes;
  }
  Store(batch, &stretch, hasty);
}

// Whether the segment ends before a packet of this time and size.
bool Recorder::EndsBefore(const Stretch& stretch, std::int64_t time_us, std::size_t record_bytes) const {
  if (!segment_ && stretch.facts.packets == 0) return false;
  if (HourOf(time_us) != hour_) return true;
  const std::uint64_t raw = (segment_ ? segment_->raw_bytes() : kPcapHeaderBytes) + (stretch.end - stretch.begin);
  if (raw > kPcapHeaderBytes && raw + record_bytes > options_.rotate_bytes) return true;
  const bool is_file = options_.interface.empty();
  return is_file && time_us - first_us_ >= static_cast<std::int64_t>(options_.rotate_seconds) * kMicrosecondsPerSecond;
}

void Recorder::Store(const Batch& batch, Stretch* stretch, bool hasty) {
  const std::uint64_t packets = stretch->facts.packets;
  if (packets == 0) return;
  if (spool_ != nullptr) stretch->facts.hosts = hosts_.Take();
  const std::span<const std::byte> records = batch.records().subspan(stretch->begin, stretch->end - stretch->begin);
  // Before these packets are counted: making room and a disk that fails may seal, and what is sealed must balance.
  const bool has_room = spool_ == nullptr || !AwaitDisk() || MakeRoom(records.size() + kManifestBytesPerFrame);
  const bool in_spool = spool_ != nullptr && has_room && StoreInSpool(batch.format, records, stretch->facts, hasty);
  counters_.received += packets;
  counters_.read += packets;
  const bool in_plain = plain_ != nullptr && plain_->Write(batch.format, records, packets);
  if (plain_ != nullptr && spool_ != nullptr) plain_lost_ += plain_->TakeLost() + (in_plain ? 0 : packets);
  if (!has_room) {
    counters_.drop_spool += packets;
    checkpoint_->SetSpoolDrops(counters_.drop_spool);
    return;
  }
  if (spool_ != nullptr && !in_spool) {
    counters_.drop_disk += packets;
    return;
  }
  if (spool_ == nullptr && plain_ != nullptr && !in_plain) {
    counters_.drop_disk += packets;
    MoveLost();
    return;
  }
  counters_.written += packets;
  counters_.truncated += stretch->facts.truncated;
}

// Packets that the plain file took and then lost.
void Recorder::MoveLost() {
  const std::uint64_t lost = plain_->TakeLost();
  counters_.written -= lost;
  counters_.drop_disk += lost;
}

// False where the packets are lost.
bool Recorder::StoreInSpool(const RecordFormat& format, std::span<const std::byte> records, const Frame& facts, bool hasty) {
  while (AwaitDisk()) {
    if (!TryToStore(format, records, facts, hasty)) continue;
    disk_waits_ = 0;
    return true;
  }
  return false;
}

bool Recorder::TryToStore(const RecordFormat& format, std::span<const std::byte> records, const Frame& facts, bool hasty) {
  if (!segment_ && !OpenSegment(format, facts.first_us)) return false;
  const std::uint64_t before = segment_->file_bytes();
  if (const std::error_code error = segment_->Append(records, facts, hasty)) {
    DiskFailed(error);
    return false;
  }
  spool_->Grew(segment_->file_bytes() - before + kManifestBytesPerFrame);
  return true;
}

bool Recorder::OpenSegment(const RecordFormat& format, std::int64_t time_us) {
  segment_ = std::make_unique<Segment>(spool_->folder(), Stem{boot_id_, sealed_.segments}.Text(options_.sensor), &compressor_);
  hour_ = HourOf(time_us);
  opened_ = Clock::now();
  const std::error_code error = segment_->Open(format, options_.snaplen);
  if (!error) return true;
  segment_.reset();
  DiskFailed(error);
  return false;
}

void Recorder::DropUntilRoomFor(std::uint64_t bytes) {
  while (!spool_->HasRoomFor(bytes)) {
    const std::optional<Spool::Sealed> oldest = spool_->Oldest();
    if (!oldest || !Drop(*oldest)) return;
  }
}

// The counts of a segment that goes stay in the ledger, in the manifest of the next, and until then in the
// checkpoint, where they are before the segment goes. False where it cannot be removed.
bool Recorder::Drop(const Spool::Sealed& segment) {
  Counters lost = segment.counters;
  lost.drop_spool += lost.written;
  lost.written = 0;
  lost.truncated = 0;
  sealed_.dropping = {segment.stem, lost};
  checkpoint_->SetCarried(sealed_);
  const std::error_code error = spool_->Drop(segment);
  sealed_.dropping.reset();
  if (!error) {
    sealed_.carried += lost;
    const bool is_of_this_run = segment.stem.boot == boot_id_;
    given_up_.written += is_of_this_run ? segment.counters.written : 0;
    given_up_.truncated += is_of_this_run ? segment.counters.truncated : 0;
  }
  checkpoint_->SetCarried(sealed_);
  return !error || error == std::errc::no_such_file_or_directory;
}

// Whether the spool may grow by this much, after whatever --when-full allows.
bool Recorder::MakeRoom(std::uint64_t bytes) {
  if (is_stopped_) return false;
  if (options_.when_full == WhenFull::kDropOldest) DropUntilRoomFor(bytes);
  if (spool_->HasRoomFor(bytes)) {
    is_full_ = false;
    return true;
  }
  if (!is_full_) {
    is_full_ = true;
    Say(Event("spool_full").Text("spool", spool_->path()).Count("limit_mb", options_.spool_mb)
            .Text("what", "new packets are counted as drop_spool until there is room; collect what is there, or raise --spool-mb"));
  }
  if (segment_) Seal();
  if (options_.when_full == WhenFull::kStop) {
    is_stopped_ = true;
    queue_->NoMoreReading();
  }
  return false;
}

void Recorder::DiskFailed(const std::error_code& error) {
  Say(Event("disk_failed").Text("spool", spool_->path()).Text("why", error.message())
          .Text("what", CanWaitForDisk() ? "the file waits for it, some seconds in all; make space or mend the disk"
                                         : "packets are counted as drop_disk until it can be written again; make space or mend the disk"));
  TryDiskLater();
  if (segment_) Seal();
}

// Packets of an interface come on meanwhile, and a disk that stays away must not hold up a file for ever.
bool Recorder::CanWaitForDisk() const { return options_.interface.empty() && disk_waits_ < kMostDiskWaits; }

void Recorder::TryDiskLater() {
  const std::chrono::milliseconds wait = CanWaitForDisk() ? kFirstDiskWait * (1 << disk_waits_) : std::chrono::milliseconds(kDiskRetryMilliseconds);
  disk_retry_ = Clock::now() + wait;
}

// Whether the disk is to be tried.
bool Recorder::AwaitDisk() {
  if (Clock::now() >= disk_retry_) return true;
  if (!CanWaitForDisk()) return false;
  ++disk_waits_;
  std::this_thread::sleep_until(disk_retry_);
  return true;
}

void Recorder::Seal() {
  if (!segment_) return;
  const bool says_something = !segment_->frames().empty() || HasNews();
  if (!says_something || !Publish()) GiveUpSegment();
  segment_.reset();
}

// Frame after frame is given up where the disk has no room even for the manifest.
bool Recorder::Publish() {
  for (;;) {
    Manifest manifest = Describe();
    const std::error_code error = segment_->Seal(&manifest);
    if (!error) {
      Sealed(manifest);
      return true;
    }
    TryDiskLater();
    Say(Event("seal_failed").Text("segment", manifest.file).Text("why", error.message()));
    if (segment_->is_on_disk() && AwaitDisk()) continue;
    const std::optional<Frame> lost = error == std::errc::no_space_on_device ? segment_->CutLastFrame() : std::nullopt;
    if (!lost) return false;
    counters_.written -= lost->packets;
    counters_.truncated -= lost->truncated;
    counters_.drop_disk += lost->packets;
  }
}

void Recorder::Sealed(const Manifest& manifest) {
  sealed_.counters += counters_;
  sealed_.previous_sha256 = manifest.sha256;
  ++sealed_.segments;
  sealed_.carried = {};
  checkpoint_->SetSealed(sealed_);
  counters_ = {};
  gaps_.clear();
  is_gap_told_ = lasting_gap_.has_value();
  Say(Event("segment_sealed").Text("segment", manifest.file).Text("hour", manifest.hour).Text("sha256", manifest.sha256)
          .Count("packets", manifest.counters.written).Count("bytes", manifest.file_bytes)
          .Raw("counters", CountersToJson(manifest.counters)));
}

void Recorder::GiveUpSegment() {
  counters_.drop_disk += counters_.written;
  counters_.written = 0;
  counters_.truncated = 0;
  segment_->Discard();
}

Manifest Recorder::Describe() const {
  Manifest manifest;
  manifest.sensor_id = options_.sensor;
  manifest.boot_id = boot_id_;
  manifest.seq = sealed_.segments;
  manifest.previous_sha256 = sealed_.previous_sha256;
  manifest.filter = ToldFilter(options_);
  manifest.privacy = PrivacyName(options_);
  manifest.hour = HourName(hour_ * kMicrosecondsPerHour);
  manifest.sealed_wall_us = NowMicroseconds(CLOCK_REALTIME);
  manifest.sealed_mono_us = NowMicroseconds(CLOCK_MONOTONIC);
  manifest.source = source_;
  manifest.counters = counters_;
  manifest.counters += sealed_.carried;
  manifest.gaps = gaps_;
  if (lasting_gap_) manifest.gaps.push_back(*lasting_gap_);
  return manifest;
}

// Counts and gaps that belong to no packet that was kept still reach the ledger, in a segment without packets.
void Recorder::SealCounts() {
  if (!HasNews()) return;
  const std::int64_t time_us = last_seen_us_ != 0 ? last_seen_us_ : NowMicroseconds(CLOCK_REALTIME);
  if (!OpenSegment(RecordFormat{}, time_us)) return;
  Seal();
}

// What became of the packets of this run, also those that were sealed first and given up later.
Counters Recorder::Totals() const {
  Counters totals = sealed_.counters;
  totals += counters_;
  totals -= given_up_;
  totals.drop_spool += given_up_.written;
  return totals;
}

void Recorder::WriteState() { state_.Write(spool_->folder(), source_, Totals(), lasting_gap_); }

void Recorder::Finish() {
  if (plain_ != nullptr && !plain_->Close(format_)) spool_ == nullptr ? MoveLost() : static_cast<void>(plain_lost_ += plain_->TakeLost());
  if (spool_ != nullptr) {
    Seal();
    SealCounts();
    state_.Remove(spool_->folder());
  }
  totals_ = Totals();
  JsonObject done = Event("done").Text("source", source_).Count("segments", sealed_.segments).Raw("counters", CountersToJson(totals_));
  if (plain_ != nullptr && spool_ != nullptr) done.Count("plain_lost", plain_lost_);
  Say(done);
}

}  // namespace weir::sensor
