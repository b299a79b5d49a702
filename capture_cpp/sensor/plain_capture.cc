#include "plain_capture.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "events.h"
#include "segment.h"

namespace weir::sensor {

PlainCapture::PlainCapture(std::string path, std::uint32_t snaplen) : path_(std::move(path)), snaplen_(snaplen) {
  constexpr mode_t kOwnerWritesGroupReads = 0640;
  file_ = Descriptor(path_ == "-" ? ::dup(STDOUT_FILENO)
                                  : ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerWritesGroupReads));
  if (!file_.open()) {
    throw SensorError(ExitCode::kSpool, path_ + ": " + std::strerror(errno) + "; give a file this user may write");
  }
}

bool PlainCapture::Fail(const std::string& why) {
  failed_ = true;
  Say(Event("write_failed").Text("file", path_).Text("why", why).Text("what", "nothing more is written to it"));
  return false;
}

bool PlainCapture::WriteHeader(const RecordFormat& format) {
  if (format_ == format) return true;
  if (format_) return Fail("the link type changes, and a pcap file has one; --spool takes several");
  format_ = format;
  const std::error_code error = WriteAll(file_.get(), PcapHeader(format, snaplen_));
  return error ? Fail(error.message()) : true;
}

bool PlainCapture::Write(const RecordFormat& format, std::span<const std::byte> records) {
  if (failed_ || !WriteHeader(format)) return false;
  const std::error_code error = WriteAll(file_.get(), records);
  return error ? Fail(error.message()) : true;
}

bool PlainCapture::Close() {
  if (failed_) return false;
  if (::fsync(file_.get()) == 0 || errno == EINVAL || errno == EROFS) return true;  // pipes and terminals have none
  return Fail(LastError().message());
}

}  // namespace weir::sensor
