#include "spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <vector>

#include "events.h"
#include "manifest.h"
#include "options.h"
#include "segment_format.h"

namespace weir::sensor {
namespace fs = std::filesystem;
namespace {

// Names without the suffix of the files of this sensor that end in `suffix`, in the order of boot and seq.
std::set<std::string> Stems(const std::string& folder, const std::string& sensor, std::string_view suffix) {
  std::set<std::string> stems;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(sensor + "-") && name.ends_with(suffix)) stems.insert(name.substr(0, name.size() - suffix.size()));
  }
  return stems;
}

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

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
  const std::string name = "." + sensor_ + ".lock";
  lock_ = Descriptor(::openat(folder_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerWrites));
  if (!lock_.open()) {
    throw SensorError(ExitCode::kSpool, "spool " + path_ + ": cannot make " + name + ": " + std::strerror(errno) + "; is the folder writable?");
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    std::string holder = ReadText(fs::path(path_) / name);
    throw SensorError(ExitCode::kSpool, "spool " + path_ + ": sensor \"" + sensor_ + "\" is running already (" + holder +
                                            "); stop it, or give this one another --sensor or --spool");
  }
  const std::string self = "pid " + std::to_string(::getpid());
  // Only for the words above, so a full disk is no reason not to start.
  if (::ftruncate(lock_.get(), 0) == 0) static_cast<void>(WriteAll(lock_.get(), std::as_bytes(std::span(self))));
}

void Spool::Measure() {
  used_ = 0;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(sensor_ + "-") && !name.starts_with("." + sensor_ + "-")) continue;
    std::error_code vanished;  // the collector works here too
    const std::uintmax_t size = entry.file_size(vanished);
    if (!vanished) used_ += size;
  }
}

bool Spool::HasRoomFor(std::uint64_t bytes) {
  if (limit_ == 0 || used_ + bytes <= limit_) return true;
  Tidy();
  Measure();
  return used_ + bytes <= limit_;
}

bool Spool::DropOldest(Counters* lost) {
  const std::set<std::string> stems = Stems(path_, sensor_, kManifestSuffix);
  if (stems.empty()) return false;
  const std::string& oldest = *stems.begin();
  Counters counters;
  const bool known = CountersFromJson(ReadText(fs::path(path_) / (oldest + std::string(kManifestSuffix))), &counters);
  // The manifest goes first: what has none was never promised to anybody.
  ::unlinkat(folder_.get(), (oldest + std::string(kManifestSuffix)).c_str(), 0);
  ::unlinkat(folder_.get(), (oldest + std::string(kSegmentSuffix)).c_str(), 0);
  ::fsync(folder_.get());
  if (known) *lost += counters;
  Say(Event("segment_dropped").Text("segment", oldest).Count("packets", counters.written)
          .Text("why", "the spool is at its limit and --when-full is drop-oldest"));
  Measure();
  return true;
}

void Spool::Tidy() {
  const std::set<std::string> acks = Stems(path_, sensor_, kAckSuffix);
  std::size_t surplus = acks.size() > kKeptAcks ? acks.size() - kKeptAcks : 0;
  for (const std::string& stem : acks) {
    ::unlinkat(folder_.get(), (stem + std::string(kManifestSuffix)).c_str(), 0);
    ::unlinkat(folder_.get(), (stem + std::string(kSegmentSuffix)).c_str(), 0);
    if (surplus > 0 && surplus--) ::unlinkat(folder_.get(), (stem + std::string(kAckSuffix)).c_str(), 0);
  }
}

}  // namespace weir::sensor
