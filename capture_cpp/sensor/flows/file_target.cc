#include "flows/file_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "events.h"

namespace weir::sensor {
namespace {

constexpr mode_t kOwnerAndGroup = 0640;

Descriptor Open(const FlowDestination& to, StopSignal* signal) {
  if (to.path == "-") return Descriptor(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  if (IsFifo(to.path)) return OpenFifo(to.path, signal);
  struct stat there = {};
  const bool exists = ::stat(to.path.c_str(), &there) == 0;
  const bool begins_anew = to.format == FlowFormat::kArrow && (!exists || S_ISREG(there.st_mode));
  if (begins_anew && exists && there.st_size > 0) {
    throw SensorError(ExitCode::kSettings, to.path + ": is there already, and an Arrow stream cannot go on where another ended; "
                                                     "move it away or name another file");
  }
  return Descriptor(::open(to.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kOwnerAndGroup));
}

}  // namespace

FileTarget::FileTarget(const FlowDestination& destination, std::unique_ptr<Encoder> encoder, StopSignal* signal)
    : name_(destination.text), encoder_(std::move(encoder)), file_(Open(destination, signal)), pipe_(signal, Patience::kUntilStop) {
  if (!file_.open()) throw SensorError(ExitCode::kSpool, destination.path + ": cannot be opened for flows: " + std::strerror(errno) +
                                                                       (errno == ENOENT ? "; make its folder first" : ""));
  struct stat facts = {};
  is_regular_ = ::fstat(file_.get(), &facts) == 0 && S_ISREG(facts.st_mode);
}

void FileTarget::Take(const Rows& rows, std::int64_t) {
  counts_.taken += rows.size();
  std::string bytes;
  if (!has_begun_) encoder_->Begin(&bytes);
  encoder_->Encode(rows, 0, rows.size(), &bytes);
  if (Write(bytes)) {
    has_begun_ = true;
    counts_.delivered += rows.size();
  } else {
    (is_late_ ? counts_.drop_stopped : counts_.drop_failed) += rows.size();
  }
}

// A file is cut back after a failure, so that whole rows can follow when there is space again.
bool FileTarget::Write(const std::string& bytes) {
  if (is_broken_) return false;
  struct stat before = {};
  if (is_regular_ && ::fstat(file_.get(), &before) != 0) return false;
  const std::error_code error = WriteOnce(bytes);
  if (!error) {
    is_failing_ = false;
    return true;
  }
  is_late_ = error == std::errc::timed_out;
  if (!is_regular_ || ::ftruncate(file_.get(), before.st_size) != 0) is_broken_ = true;
  Failed(error);
  return false;
}

std::error_code FileTarget::WriteOnce(const std::string& bytes) {
  std::size_t written = 0;
  return is_regular_ ? WriteAll(file_.get(), std::as_bytes(std::span(bytes))) : pipe_.Write(file_.get(), std::as_bytes(std::span(bytes)), &written);
}

void FileTarget::Failed(const std::error_code& error) {
  if (is_failing_) return;
  is_failing_ = true;
  Say(Event("flows_failed").Text("flows", name_).Text("why", ReasonOf(error))
          .Text("what", is_late_ ? "the sensor stops; rows that wait are counted as drop_stopped"
                      : is_broken_ ? "nothing more can be written there; rows are counted as drop_failed"
                                   : "rows are counted as drop_failed until it can be written again; make space or mend the disk"));
}

void FileTarget::Close() {
  std::string bytes;
  if (!has_begun_) encoder_->Begin(&bytes);
  encoder_->End(&bytes);
  if (!bytes.empty()) Write(bytes);
  if (is_regular_) ::fsync(file_.get());
  file_ = Descriptor();
}

}  // namespace weir::sensor
