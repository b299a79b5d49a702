#include "store/plain_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include "events.h"
#include "store/segment.h"

namespace weir::sensor {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 4096;  // enough for every block device in use
constexpr mode_t kOwnerWritesGroupReads = 0640;

}  // namespace

PlainCapture::PlainCapture(std::string path, std::uint32_t snaplen)
    : path_(std::move(path)), snaplen_(snaplen),
      buffer_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kPieceBytes))) {
  if (buffer_ == nullptr) throw std::bad_alloc();
  Open();
  if (!file_.open()) throw SensorError(ExitCode::kSpool, path_ + ": " + std::strerror(errno) + "; give a file this user may write");
}

// A FIFO for which there is a reader within a few seconds: to open one for nobody would wait for ever,
// deaf to signals.
Descriptor PlainCapture::OpenFifo() const {
  constexpr auto kPatience = std::chrono::seconds(10);
  constexpr auto kLook = std::chrono::milliseconds(50);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    Descriptor fifo(::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (fifo.open()) {
      ::fcntl(fifo.get(), F_SETFL, O_WRONLY);
      return fifo;
    }
    if (errno != ENXIO || std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(kLook);
  }
  if (errno == ENXIO) throw SensorError(ExitCode::kSpool, path_ + ": nobody reads this FIFO; start its reader first");
  return {};
}

void PlainCapture::Open() {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  if (path_ == "-") {
    file_ = Descriptor(::dup(STDOUT_FILENO));
    return;
  }
  struct stat found = {};
  if (::stat(path_.c_str(), &found) == 0 && S_ISFIFO(found.st_mode)) {
    file_ = OpenFifo();
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
  Say(Event("write_failed").Text("file", path_).Text("why", why).Text("what", "nothing more is written to it; make space"));
  return false;
}

std::uint64_t PlainCapture::TakeLost() { return std::exchange(lost_, 0); }

bool PlainCapture::WriteHeader(const RecordFormat& format) {
  if (format_ == format) return true;
  if (format_) return Fail("the link type changes, and a pcap file has one; --spool takes several");
  format_ = format;
  const std::error_code error = Append(PcapHeader(format, snaplen_));
  return error ? Fail(error.message()) : true;
}

bool PlainCapture::Write(const RecordFormat& format, std::span<const std::byte> records, std::uint64_t packets) {
  if (failed_ || !WriteHeader(format)) return false;
  const std::uint64_t end = on_disk_ + buffered_ + records.size();
  if (const std::error_code error = Append(records)) return Fail(error.message());
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
  const std::span<const std::byte> piece(buffer_.get(), buffered_);
  std::error_code error = WriteAll(file_.get(), piece);
  if (error == std::errc::invalid_argument && is_direct_ && on_disk_ == 0) {
    // The file system opened it so, but does not write so.
    is_direct_ = false;
    ::fcntl(file_.get(), F_SETFL, O_WRONLY);
    error = WriteAll(file_.get(), piece);
  }
  if (error) return error;
  on_disk_ += buffered_;
  buffered_ = 0;
  for (; !marks_.empty() && marks_.front().end <= on_disk_; marks_.pop_front()) whole_bytes_ = marks_.front().end;
  return {};
}

bool PlainCapture::Close() {
  if (failed_) return false;
  if (is_direct_) ::fcntl(file_.get(), F_SETFL, O_WRONLY);  // what is left is no whole block
  if (const std::error_code error = WriteBuffer()) return Fail(error.message());
  if (::fsync(file_.get()) == 0 || errno == EINVAL || errno == EROFS) return true;  // pipes and terminals have none
  return Fail(LastError().message());
}

}  // namespace weir::sensor
