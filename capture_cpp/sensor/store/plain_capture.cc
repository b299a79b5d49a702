#include "store/plain_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "events.h"
#include "store/segment.h"

namespace weir::sensor {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 4096;  // enough for every block device in use
constexpr mode_t kOwnerWritesGroupReads = 0640;

}  // namespace

PlainCapture::PlainCapture(std::string path, std::uint32_t snaplen, PipeWriter pipe)
    : path_(std::move(path)), snaplen_(snaplen), pipe_(pipe),
      buffer_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kPieceBytes))) {
  if (buffer_ == nullptr) throw std::bad_alloc();
  Open();
  if (!file_.open()) throw SensorError(ExitCode::kSpool, path_ + ": " + std::strerror(errno) + "; give a file this user may write");
  struct stat facts = {};
  is_regular_ = ::fstat(file_.get(), &facts) == 0 && S_ISREG(facts.st_mode);
}

void PlainCapture::Open() {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  if (path_ == "-") {
    file_ = Descriptor(::dup(STDOUT_FILENO));
    return;
  }
  if (IsFifo(path_)) {
    file_ = OpenFifo(path_, pipe_.signal());
    return;
  }
  file_ = Descriptor(::open(path_.c_str(), kFlags | O_DIRECT, kOwnerWritesGroupReads));
  is_direct_ = file_.open();
  if (!is_direct_) file_ = Descriptor(::open(path_.c_str(), kFlags, kOwnerWritesGroupReads));
}

// What is whole stays, the rest is lost; the file ends with a whole record.
bool PlainCapture::Fail(const std::string& why) {
  failed_ = true;
  for (const Mark& mark : std::exchange(marks_, {})) lost_ += mark.packets;
  buffered_ = 0;
  if (::ftruncate(file_.get(), static_cast<off_t>(whole_bytes_)) != 0) errno = 0;  // a pipe cannot be cut, and needs not
  Say(Event("write_failed").Text("file", path_).Text("why", why).Text("what", "nothing more is written to it; packets are counted as drop_disk, or as plain_lost where there is a spool"));
  return false;
}

std::uint64_t PlainCapture::TakeLost() { return std::exchange(lost_, 0); }

bool PlainCapture::WriteHeader(const RecordFormat& format) {
  if (format_ == format) return true;
  if (format_) {
    const std::error_code error = WriteRest();  // what came before is sound
    return Fail(error ? ReasonOf(error) : "the link type changes, and a pcap file has one; --spool takes several");
  }
  format_ = format;
  const std::error_code error = Append(PcapHeader(format, snaplen_));
  return error ? Fail(ReasonOf(error)) : true;
}

bool PlainCapture::Write(const RecordFormat& format, std::span<const std::byte> records, std::uint64_t packets) {
  if (failed_ || !WriteHeader(format)) return false;
  const std::uint64_t end = on_disk_ + buffered_ + records.size();
  if (const std::error_code error = Append(records)) return Fail(ReasonOf(error));
  marks_.push_back({end, packets});
  return true;
}

// Pipes get everything at once: somebody may be looking.
std::error_code PlainCapture::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), kPieceBytes - buffered_);
    std::memcpy(buffer_.get() + buffered_, bytes.data(), size);
    buffered_ += size;
    bytes = bytes.subspan(size);
    if (buffered_ == kPieceBytes || (path_ == "-" && bytes.empty())) {
      if (const std::error_code error = WriteBuffer()) return error;
    }
  }
  return {};
}

std::error_code PlainCapture::WriteBuffer() {
  if (!is_regular_) return WritePipe();
  const std::span<const std::byte> piece(buffer_.get(), buffered_);
  std::error_code error = WriteAll(file_.get(), piece);
  if (error == std::errc::invalid_argument && is_direct_ && on_disk_ == 0) {
    // The file system opened it so, but does not write so.
    is_direct_ = false;
    ::fcntl(file_.get(), F_SETFL, O_WRONLY);
    error = WriteAll(file_.get(), piece);
  }
  if (error) return error;
  Wrote(buffered_);
  return {};
}

std::error_code PlainCapture::WritePipe() {
  std::size_t written = 0;
  const std::error_code error = pipe_.Write(file_.get(), std::span(buffer_.get(), buffered_), &written);
  Wrote(written);
  return error;
}

// The end of the file, which is no whole block.
std::error_code PlainCapture::WriteRest() {
  if (is_direct_) ::fcntl(file_.get(), F_SETFL, O_WRONLY);
  return WriteBuffer();
}

// After a failure what is left in the buffer is given up.
void PlainCapture::Wrote(std::size_t bytes) {
  on_disk_ += bytes;
  buffered_ = 0;
  for (; !marks_.empty() && marks_.front().end <= on_disk_; marks_.pop_front()) whole_bytes_ = marks_.front().end;
}

bool PlainCapture::Close(const RecordFormat& format) {
  if (failed_ || (!format_ && !WriteHeader(format))) return false;
  if (const std::error_code error = WriteRest()) return Fail(ReasonOf(error));
  if (::fsync(file_.get()) == 0 || errno == EINVAL || errno == EROFS) return true;  // pipes and terminals have none
  return Fail(LastError().message());
}

}  // namespace weir::sensor
