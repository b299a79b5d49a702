#include "disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "segment_format.h"

namespace weir::sensor {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) ::close(number_);
    number_ = other.number_;
    other.number_ = -1;
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

std::error_code LastError() { return {errno, std::generic_category()}; }

std::error_code WriteAll(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return LastError();
    if (written == 0) return std::make_error_code(std::errc::no_space_on_device);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

std::error_code WriteAllAt(int descriptor, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return LastError();
    if (written == 0) return std::make_error_code(std::errc::no_space_on_device);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

std::error_code ReadAllAt(int descriptor, std::span<std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return LastError();
    if (got == 0) return std::make_error_code(std::errc::io_error);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

HiddenFile::HiddenFile(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}

std::string HiddenFile::hidden_name() const { return "." + name_ + std::string(kPartSuffix); }

std::error_code HiddenFile::Create() {
  constexpr mode_t kOwnerWritesGroupReads = 0640;
  file_ = Descriptor(::openat(folder_, hidden_name().c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kOwnerWritesGroupReads));
  size_ = 0;
  if (!file_.open()) return LastError();
  direct_ = Descriptor(::openat(folder_, hidden_name().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW));
  return {};
}

std::error_code HiddenFile::Reopen() {
  if (::faccessat(folder_, hidden_name().c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
      ::renameat(folder_, name_.c_str(), folder_, hidden_name().c_str()) != 0) {
    return LastError();
  }
  file_ = Descriptor(::openat(folder_, hidden_name().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat found = {};
  if (!file_.open() || ::fstat(file_.get(), &found) != 0) return LastError();
  size_ = static_cast<std::uint64_t>(found.st_size);
  return {};
}

std::error_code HiddenFile::Append(std::span<const std::byte> bytes) {
  if (const std::error_code error = Write(bytes)) {
    static_cast<void>(CutTo(size_));  // what stays behind is what the next write overwrites
    return error;
  }
  size_ += bytes.size();
  return {};
}

// Whole blocks go past the page cache; what lies before and behind them shares its block with others.
// The rest goes to where the last write ended, so that one which only claimed to write leaves the file short.
std::error_code HiddenFile::Write(std::span<const std::byte> bytes) {
  const std::size_t head = (kBlockBytes - size_ % kBlockBytes) % kBlockBytes;
  const bool is_aligned = (reinterpret_cast<std::uintptr_t>(bytes.data()) + head) % kBlockBytes == 0;
  if (!direct_.open() || !is_aligned || bytes.size() < kLeastDirectBytes) return WriteAll(file_.get(), bytes);
  const std::span<const std::byte> blocks = bytes.subspan(head, (bytes.size() - head) / kBlockBytes * kBlockBytes);
  if (const std::error_code error = WriteAll(file_.get(), bytes.first(head))) return error;
  const std::error_code error = WriteAllAt(direct_.get(), blocks, size_ + head);
  if (error == std::errc::invalid_argument) {  // it opened it so but does not write so, or a short write ended inside a block
    direct_ = Descriptor();
    return WriteAll(file_.get(), bytes.subspan(head));
  }
  if (error) return error;
  const std::size_t tail = head + blocks.size();
  if (::lseek(file_.get(), static_cast<off_t>(size_ + tail), SEEK_SET) < 0) return LastError();
  return WriteAll(file_.get(), bytes.subspan(tail));
}

std::error_code HiddenFile::CutTo(std::uint64_t size) {
  const auto end = static_cast<off_t>(size);
  if (::ftruncate(file_.get(), end) != 0 || ::lseek(file_.get(), end, SEEK_SET) < 0) return LastError();
  size_ = size;
  return {};
}

std::error_code HiddenFile::Flush() {
  if (::fsync(file_.get()) != 0) return LastError();
  struct stat found = {};
  if (::fstat(file_.get(), &found) != 0) return LastError();
  // A disk that swallowed bytes while saying it wrote them.
  if (static_cast<std::uint64_t>(found.st_size) != size_) return std::make_error_code(std::errc::io_error);
  return {};
}

std::error_code HiddenFile::Publish() {
  if (!visible_ && ::renameat(folder_, hidden_name().c_str(), folder_, name_.c_str()) != 0) return LastError();
  visible_ = true;
  return ::fsync(folder_) == 0 ? std::error_code() : LastError();
}

std::error_code HiddenFile::Hide() {
  if (!visible_) return {};
  if (::renameat(folder_, name_.c_str(), folder_, hidden_name().c_str()) != 0) return LastError();
  visible_ = false;
  return {};
}

void HiddenFile::Discard() {
  ::unlinkat(folder_, visible_ ? name_.c_str() : hidden_name().c_str(), 0);
  visible_ = false;
  file_ = Descriptor();
  direct_ = Descriptor();
  size_ = 0;
}

}  // namespace weir::sensor
