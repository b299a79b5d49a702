#include "store/salvage.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "checkpoint.h"
#include "clock.h"
#include "events.h"
#include "segment_format.h"
#include "store/names.h"
#include "store/segment.h"

namespace weir::sensor {
namespace {

// What is left of one start of a sensor that ended without a word.
struct Leftovers {
  std::set<std::uint64_t> segments;  // numbers of segments without manifest, hidden or visible
  bool has_checkpoint = false;
};

std::map<std::string, Leftovers> FindLeftovers(const Options& options, const Spool& spool) {
  std::map<std::string, Leftovers> found;
  for (std::string name : spool.Names()) {
    if (const std::optional<std::string> boot = BootOfCheckpoint(options.sensor, name)) {
      found[*boot].has_checkpoint = true;
      continue;
    }
    if (name.starts_with('.') && name.ends_with(kPartSuffix)) name = name.substr(1, name.size() - 1 - kPartSuffix.size());
    const std::optional<Stem> stem = ParseStem(options.sensor, name, kSegmentSuffix);
    if (stem && !spool.IsSealed(stem->Text(options.sensor))) found[stem->boot].segments.insert(stem->seq);
  }
  return found;
}

void SayMayBeToldTwice(const std::string& checkpoint, const std::string& stem) {
  Say(Event("warning").Text("file", checkpoint).Text("what", "cannot be written; the counts of " + stem + " may be told twice"));
}

// A sensor killed while it dropped a segment: once the manifest is gone, so is the segment, and its counts are
// carried; before, nothing has happened. What holds is settled here, before anything is sealed or collected.
void FinishDrops(const Options& options, const Spool& spool) {
  for (const std::string& name : spool.Names()) {
    if (!BootOfCheckpoint(options.sensor, name)) continue;
    std::error_code error;  // is met again, and said, where the checkpoint's own segments are sealed
    std::optional<LastWords> words = Checkpoint::Read(spool.folder(), name, &error);
    if (!words || !words->sealed.dropping) continue;
    const std::string stem = words->sealed.dropping->stem.Text(options.sensor);
    if (!spool.IsSealed(stem)) {
      spool.RemoveFile(stem + std::string(kSegmentSuffix));
      continue;
    }
    words->sealed.dropping.reset();
    if (Checkpoint::Amend(spool.folder(), name, *words)) SayMayBeToldTwice(name, stem);
  }
}

// One dead start, segment after segment.
class Heir {
 public:
  Heir(const Options& options, const Spool& spool, std::string boot) : options_(options), spool_(spool), boot_(std::move(boot)) {}

  // True once nothing is left to do.
  bool Settle(const Leftovers& left) {
    if (const std::error_code error = Recall()) return SayFailed(CheckpointName(options_.sensor, boot_), error);
    for (const std::uint64_t seq : left.segments) {
      if (!SealSegment(seq)) return false;
    }
    if (!Remaining().AllZero() || !words_.sealed.carried.AllZero()) return SealCounts();
    if (torn_bytes_ > 0) SayNothingIsKnown();
    return true;
  }

 private:
  std::string Name(std::uint64_t seq) const { return Stem{boot_, seq}.Text(options_.sensor); }

  // A checkpoint that is there and cannot be read is waited for: its counts are in no manifest.
  std::error_code Recall() {
    std::error_code error;
    words_ = Checkpoint::Read(spool_.folder(), CheckpointName(options_.sensor, boot_), &error).value_or(LastWords{});
    if (error) return error;
    if (words_.sealed.dropping) words_.sealed.carried += words_.sealed.dropping->counters;  // FinishDrops() has seen to it
    words_.sealed.dropping.reset();
    next_seq_ = words_.sealed.segments;
    // Killed between the manifest's rename and the checkpoint: the manifest knows better.
    while (spool_.IsSealed(Name(next_seq_))) {
      const std::string text = spool_.ReadText(Name(next_seq_) + std::string(kManifestSuffix));
      Counters sealed;
      if (CountersFromJson(text, &sealed)) {
        words_.sealed.counters += sealed;
        words_.sealed.counters -= words_.sealed.carried;  // which is in that manifest
      } else {
        words_.seen = {};  // collected meanwhile, with all counts that were left
      }
      words_.sealed.carried = {};
      words_.sealed.previous_sha256 = Sha256FromJson(text);
      ++next_seq_;
    }
    return {};
  }

  // Counts of its own since the last seal, with every packet that is not in a segment as lost.
  Counters Remaining() const {
    Counters counts;
    const Counters& sealed = words_.sealed.counters;
    const auto since = [](std::uint64_t seen, std::uint64_t before) { return seen > before ? seen - before : 0; };
    counts.read = since(words_.seen.read, sealed.read);
    counts.filtered = std::min(since(words_.seen.filtered, sealed.filtered), counts.read);
    counts.kernel_dropped = since(words_.seen.kernel_dropped, sealed.kernel_dropped);
    counts.interface_dropped = since(words_.seen.interface_dropped, sealed.interface_dropped);
    counts.received = counts.read + counts.kernel_dropped;
    counts.drop_spool = std::min(words_.drop_spool, counts.read - counts.filtered);
    counts.drop_disk = counts.read - counts.filtered - counts.drop_spool;
    return counts;
  }

  bool SealSegment(std::uint64_t seq) {
    Segment segment(spool_.folder(), Name(seq), nullptr);
    std::uint64_t torn_bytes = 0;
    if (const std::error_code error = segment.Reopen(&torn_bytes)) return SayFailed(segment.name(), error);
    torn_bytes_ += torn_bytes;
    if (segment.frames().empty()) {
      segment.Discard();
      return true;
    }
    Counters counts = Remaining();
    for (const Frame& frame : segment.frames()) {
      counts.written += frame.packets;
      counts.truncated += frame.truncated;
    }
    // Without a checkpoint nothing is known but what lies here.
    const std::uint64_t known = std::max(counts.read, counts.filtered + counts.written + counts.drop_spool);
    counts.read = known;
    counts.received = known + counts.kernel_dropped;
    counts.drop_disk = known - counts.filtered - counts.written - counts.drop_spool;
    const std::string hour = HourName(segment.frames().front().first_us);
    return Seal(&segment, seq, counts, hour);
  }

  bool SealCounts() {
    Compressor compressor(options_.level);
    Segment segment(spool_.folder(), Name(next_seq_), &compressor);
    if (const std::error_code error = segment.Open(RecordFormat{}, options_.snaplen)) return SayFailed(segment.name(), error);
    return Seal(&segment, next_seq_, Remaining(), HourName(NowMicroseconds(CLOCK_REALTIME)));
  }

  bool Seal(Segment* segment, std::uint64_t seq, const Counters& counts, const std::string& hour) {
    Manifest manifest;
    manifest.sensor_id = options_.sensor;
    manifest.boot_id = boot_;
    manifest.seq = seq;
    manifest.previous_sha256 = words_.sealed.previous_sha256;
    manifest.filter = words_.origin.filter;
    manifest.privacy = words_.origin.privacy;
    manifest.source = words_.origin.source.empty() ? "salvaged" : words_.origin.source;
    manifest.hour = hour;
    manifest.counters = counts;
    manifest.counters += words_.sealed.carried;
    manifest.sealed_wall_us = NowMicroseconds(CLOCK_REALTIME);
    manifest.sealed_mono_us = NowMicroseconds(CLOCK_MONOTONIC);
    if (const std::error_code error = segment->Seal(&manifest)) return SayFailed(segment->name(), error);
    Say(Event("segment_salvaged").Text("segment", manifest.file).Text("hour", hour).Count("torn_bytes", torn_bytes_)
            .Raw("counters", CountersToJson(manifest.counters)));
    words_.sealed.counters += counts;
    words_.sealed.carried = {};
    words_.sealed.previous_sha256 = manifest.sha256;
    next_seq_ = std::max(next_seq_, seq + 1);
    words_.sealed.segments = next_seq_;
    words_.drop_spool = 0;
    torn_bytes_ = 0;
    Remember();
    return true;
  }

  // Should the rest fail, what was sealed may be dropped or collected before the next try, which must know of it.
  void Remember() const {
    const std::string name = CheckpointName(options_.sensor, boot_);
    if (!spool_.Exists(name)) return;
    if (Checkpoint::Amend(spool_.folder(), name, words_)) SayMayBeToldTwice(name, Name(next_seq_ - 1));
  }

  // False, as not everything is settled.
  static bool SayFailed(const std::string& name, const std::error_code& error) {
    Say(Event("salvage_failed").Text("segment", name).Text("why", error.message())
            .Text("what", "it is tried again at the next start; make space or mend the disk"));
    return false;
  }

  void SayNothingIsKnown() const {
    Say(Event("warning").Text("boot_id", boot_).Count("torn_bytes", torn_bytes_)
            .Text("what", "no frame of an unfinished segment was sound and no checkpoint says how many packets it held; they are not counted"));
  }

  const Options& options_;
  const Spool& spool_;
  std::string boot_;
  LastWords words_;
  std::uint64_t next_seq_ = 0;
  std::uint64_t torn_bytes_ = 0;  // not kept since the last seal
};

}  // namespace

void Salvage(const Options& options, const Spool& spool) {
  for (const std::string& name : spool.Names()) {
    if (IsManifestPart(options.sensor, name) || IsStateName(options.sensor, name) || IsCopyOfPart(options.sensor, name)) ::unlinkat(spool.folder(), name.c_str(), 0);
  }
  FinishDrops(options, spool);
  for (const auto& [boot, left] : FindLeftovers(options, spool)) {
    if (Heir(options, spool, boot).Settle(left)) ::unlinkat(spool.folder(), CheckpointName(options.sensor, boot).c_str(), 0);
  }
}

}  // namespace weir::sensor
