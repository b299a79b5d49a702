#include "store/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>

#include "capture_options.h"
#include "events.h"
#include "segment_format.h"
#include "store/manifest.h"
#include "store/sha256.h"

namespace weir::sensor {
namespace fs = std::filesystem;
Spool::Spool(std::string folder, std::string sensor, std::uint64_t limit_bytes)
    : path_(std::move(folder)), sensor_(std::move(sensor)), limit_(limit_bytes) {
  std::error_code error;
  fs::create_directories(path_, error);
  folder_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_.open()) {
    throw SensorError(ExitCode::kSpool, "spool " + path_ + ": " + std::strerror(errno) + "; give a folder this user may write");
  }
  Lock();
  Tidy();
  Measure();
}

void Spool::Lock() {
  constexpr mode_t kOwnerWrites = 0644;
  const std::string name = LockName(sensor_);
  lock_ = Descriptor(::openat(folder_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerWrites));
  if (!lock_.open()) {
    throw SensorError(ExitCode::kSpool, "spool " + path_ + ": cannot make " + name + ": " + std::strerror(errno) + "; is the folder writable?");
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    const std::string holder = ReadText(name);
    throw SensorError(ExitCode::kSpool, "spool " + path_ + ": sensor \"" + sensor_ + "\" is running already (" + holder +
                                            "); stop it, or give this one another --sensor or --spool");
  }
  const std::string self = "pid " + std::to_string(::getpid());
  // Only for the words above, so a full disk is no reason not to start.
  if (::ftruncate(lock_.get(), 0) == 0) static_cast<void>(WriteAll(lock_.get(), std::as_bytes(std::span(self))));
}

std::vector<std::string> Spool::Names() const {
  std::vector<std::string> names;
  std::error_code ignored;  // what cannot be listed will fail at the next write, and is reported there
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored)) names.push_back(entry.path().filename());
  return names;
}

std::string Spool::ReadText(const std::string& name) const {
  // A pipe of that name must not be waited for.
  const Descriptor file(::openat(folder_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat found = {};
  if (!file.open() || ::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) return {};
  std::string text(static_cast<std::size_t>(found.st_size), '\0');
  return ReadAllAt(file.get(), std::as_writable_bytes(std::span(text)), 0) ? std::string() : text;
}

bool Spool::Exists(const std::string& name) const { return ::faccessat(folder_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

// Of the bytes of a file: nothing where there is none, empty where they cannot be read.
std::optional<std::string> Spool::DigestOf(const std::string& name) const {
  const Descriptor file(::openat(folder_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.open() && errno == ENOENT) return std::nullopt;
  struct stat found = {};
  if (!file.open() || ::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) return "";
  Sha256 digest;
  std::vector<std::byte> buffer(kFrameBytes);
  const auto size = static_cast<std::uint64_t>(found.st_size);
  for (std::uint64_t at = 0; at < size; at += buffer.size()) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), size - at));
    if (ReadAllAt(file.get(), piece, at)) return "";
    digest.Add(piece);
  }
  return digest.Hex();
}

// An acknowledgement is of the segment whose digest it names; of one without manifest the bytes have it, and where
// these are gone too, nothing can contradict.
bool Spool::IsAcknowledged(const std::string& name) const {
  const std::string stored = Sha256FromJson(ReadText(name + std::string(kAckSuffix)));
  if (stored.empty()) return false;
  const std::string manifest = ReadText(name + std::string(kManifestSuffix));
  if (!manifest.empty()) return stored == Sha256FromJson(manifest);
  const std::string segment = name + std::string(kSegmentSuffix);
  std::optional<std::string> digest = DigestOf(segment);
  if (!digest) digest = DigestOf("." + segment + std::string(kPartSuffix));
  return !digest || *digest == stored;
}

bool Spool::IsSealed(const std::string& name) const { return Exists(name + std::string(kManifestSuffix)) || IsAcknowledged(name); }

// In the order in which they were sealed.
std::vector<Stem> Spool::Stems(std::string_view suffix) const {
  std::vector<Stem> stems;
  for (const std::string& name : Names()) {
    if (const std::optional<Stem> stem = ParseStem(sensor_, name, suffix)) stems.push_back(*stem);
  }
  std::ranges::sort(stems);
  return stems;
}

void Spool::RemoveFile(const std::string& name) const { ::unlinkat(folder_.get(), name.c_str(), 0); }

void Spool::Remove(const Stem& stem, std::string_view suffix) {
  RemoveFile(stem.Text(sensor_) + std::string(suffix));
}

void Spool::Measure() {
  used_ = 0;
  for (const std::string& name : Names()) {
    const std::string visible = name.substr(name.starts_with('.') ? 1 : 0);
    if (!visible.starts_with(sensor_ + "-")) continue;
    std::error_code vanished;  // the collector works here too
    const std::uintmax_t size = fs::file_size(fs::path(path_) / name, vanished);
    if (!vanished) used_ += size;
  }
}

bool Spool::HasRoomFor(std::uint64_t bytes) {
  if (limit_ == 0 || used_ + bytes <= limit_) return true;
  Tidy();
  Measure();
  return used_ + bytes <= limit_;
}

std::optional<Spool::Sealed> Spool::Oldest() const {
  const std::vector<Stem> stems = Stems(kManifestSuffix);
  if (stems.empty()) return std::nullopt;
  const std::string manifest = ReadText(stems.front().Text(sensor_) + std::string(kManifestSuffix));
  Sealed oldest = {stems.front(), {}, Sha256FromJson(manifest)};
  Counters counters;
  if (CountersFromJson(manifest, &counters)) oldest.counters = counters;
  return oldest;
}

std::error_code Spool::Drop(const Sealed& segment) {
  const std::string name = segment.stem.Text(sensor_);
  // The manifest goes first: what has none was never promised to anybody.
  if (::unlinkat(folder_.get(), (name + std::string(kManifestSuffix)).c_str(), 0) != 0) return LastError();
  Remove(segment.stem, kSegmentSuffix);
  ::fsync(folder_.get());
  Measure();
  const std::string stored = Sha256FromJson(ReadText(name + std::string(kAckSuffix)));
  if (!stored.empty() && stored == segment.sha256) return std::make_error_code(std::errc::no_such_file_or_directory);
  Say(Event("segment_dropped").Text("segment", name).Count("packets", segment.counters.written)
          .Text("why", "the spool is at its limit and --when-full is drop-oldest"));
  return {};
}

void Spool::Tidy() {
  const std::vector<Stem> acks = Stems(kAckSuffix);
  const std::size_t surplus = acks.size() - std::min(acks.size(), kKeptAcks);
  for (std::size_t i = 0; i < acks.size(); ++i) {
    const std::string name = acks[i].Text(sensor_);
    const bool has_left = Exists(name + std::string(kManifestSuffix)) || Exists(name + std::string(kSegmentSuffix));
    if (has_left && IsAcknowledged(name)) {
      Remove(acks[i], kManifestSuffix);
      Remove(acks[i], kSegmentSuffix);
    } else if (has_left) {
      SayForeign(name + std::string(kAckSuffix));
    }
    if (i < surplus) Remove(acks[i], kAckSuffix);
  }
}

void Spool::SayForeign(const std::string& ack) {
  if (!foreign_acks_.insert(ack).second) return;
  Say(Event("foreign_ack").Text("ack", ack).Text("what", "it does not name the digest of the segment beside it, which stays; collect it again"));
}

}  // namespace weir::sensor
