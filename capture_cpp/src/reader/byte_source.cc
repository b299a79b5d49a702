#include "reader/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "options.h"
#include "reader/capture_error.h"

namespace weir {
namespace {

constexpr std::size_t kMagicBytes = 4;
constexpr int kGzipWindowBits = 15 + 16;  // zlib: the largest window, gzip framing
constexpr int kZstdWindowLog = kHasSmallLimits ? 12 : 27;  // 27 is zstd's own default limit: 128 MiB of history

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): signals are the process's, too
void (*before_waiting)() = nullptr;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ > STDIN_FILENO) {
      close(number_);
    }
  }
  int number() const { return number_; }

 private:
  int number_;
};

class PlainFile final : public ByteSource {
 public:
  PlainFile(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  std::size_t Read(std::span<std::uint8_t> room) override {
    for (;;) {
      if (before_waiting != nullptr) {
        before_waiting();
      }
      const ssize_t got = read(file_.number(), room.data(), room.size());
      if (got >= 0) {
        offset_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno != EINTR) {
        throw CaptureError(path_, offset_, std::string("cannot be read: ") + std::strerror(errno) + "; is the disk sound?");
      }
    }
  }

 private:
  std::string path_;
  Descriptor file_;
  std::uint64_t offset_ = 0;
};

class Memory final : public ByteSource {
 public:
  explicit Memory(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  std::size_t Read(std::span<std::uint8_t> room) override {
    const std::size_t size = std::min(room.size(), rest_.size());
    std::copy_n(rest_.begin(), size, room.begin());
    rest_ = rest_.subspan(size);
    return size;
  }

 private:
  std::span<const std::uint8_t> rest_;
};

// Gives back the bytes that were looked at, then the rest.
class Again final : public ByteSource {
 public:
  Again(std::vector<std::uint8_t> seen, std::unique_ptr<ByteSource> rest) : seen_(std::move(seen)), rest_(std::move(rest)) {}

  std::size_t Read(std::span<std::uint8_t> room) override {
    if (given_ == seen_.size()) {
      return rest_->Read(room);
    }
    const std::size_t size = std::min(room.size(), seen_.size() - given_);
    std::copy_n(seen_.begin() + static_cast<std::ptrdiff_t>(given_), size, room.begin());
    given_ += size;
    return size;
  }

 private:
  std::vector<std::uint8_t> seen_;
  std::size_t given_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

// What the two kinds of compression share: an input buffer and the limit on growth.
class Compressed : public ByteSource {
 public:
  Compressed(std::string path, std::unique_ptr<ByteSource> packed)
      : path_(std::move(path)), packed_(std::move(packed)), input_(kReadBytes) {}

  bool IsCut() const override { return is_cut_; }

 protected:
  std::span<const std::uint8_t> MoreInput() {
    const std::size_t got = packed_->Read(input_);
    read_ += got;
    return {input_.data(), got};
  }

  std::size_t Checked(std::size_t unpacked) {
    written_ += unpacked;
    if (written_ > kInflateFree && written_ / kInflateRatio > read_) {
      throw CaptureError(path_, written_, "unpacks to more than 1000 times its size; it is no capture, or unpack it yourself first");
    }
    return unpacked;
  }

  // What lies before the damage is given first; the next Read() throws.
  void Break(const std::string& why) { broken_ = why; }
  void ThrowIfBroken() const {
    if (!broken_.empty()) {
      throw CaptureError(path_, written_, "compressed data is broken (" + broken_ + "); fetch the file again");
    }
  }

  void Cut() { is_cut_ = true; }

 private:
  std::string path_;
  std::unique_ptr<ByteSource> packed_;
  std::vector<std::uint8_t> input_;
  std::uint64_t read_ = 0;
  std::uint64_t written_ = 0;
  std::string broken_;
  bool is_cut_ = false;
};

class Gzip final : public Compressed {
 public:
  Gzip(std::string path, std::unique_ptr<ByteSource> packed) : Compressed(std::move(path), std::move(packed)) {
    if (inflateInit2(&stream_, kGzipWindowBits) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() override { inflateEnd(&stream_); }

  std::size_t Read(std::span<std::uint8_t> room) override {
    stream_.next_out = room.data();
    stream_.avail_out = static_cast<uInt>(room.size());
    while (stream_.avail_out == room.size()) {
      ThrowIfBroken();
      if (stream_.avail_in == 0 && !Feed()) {
        return 0;
      }
      if (is_between_members_ && !BeginMember()) {
        return 0;
      }
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        is_between_members_ = true;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        Break(stream_.msg != nullptr ? stream_.msg : "not gzip");
      }
    }
    return Checked(room.size() - stream_.avail_out);
  }

 private:
  bool Feed() {
    const auto more = MoreInput();
    if (more.empty()) {
      if (!is_between_members_) {
        Cut();
      }
      return false;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib never writes to it, but does not say so
    stream_.next_in = const_cast<Bytef*>(more.data());
    stream_.avail_in = static_cast<uInt>(more.size());
    return true;
  }

  // A gzip file may be several members in a row; zeros after the last one are padding.
  bool BeginMember() {
    while (stream_.avail_in > 0 && *stream_.next_in == 0) {
      ++stream_.next_in;
      --stream_.avail_in;
      if (stream_.avail_in == 0 && !Feed()) {
        return false;
      }
    }
    inflateReset(&stream_);
    is_between_members_ = false;
    return true;
  }

  z_stream stream_{};
  bool is_between_members_ = false;
};

class Zstd final : public Compressed {
 public:
  Zstd(std::string path, std::unique_ptr<ByteSource> packed) : Compressed(std::move(path), std::move(packed)), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) {
      throw std::bad_alloc();
    }
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kZstdWindowLog);
  }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  std::size_t Read(std::span<std::uint8_t> room) override {
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    while (out.pos == 0) {
      ThrowIfBroken();
      if (in_.pos == in_.size && !is_full_) {
        const auto more = MoreInput();
        if (more.empty()) {
          if (is_inside_frame_) {
            Cut();
          }
          return 0;
        }
        in_ = {more.data(), more.size(), 0};
      }
      const std::size_t hint = ZSTD_decompressStream(stream_, &out, &in_);
      if (ZSTD_isError(hint) != 0) {
        Break(ZSTD_getErrorName(hint));
        continue;
      }
      is_inside_frame_ = hint != 0;
      is_full_ = is_inside_frame_ && out.pos == out.size;  // more may wait inside the decoder
    }
    return Checked(out.pos);
  }

 private:
  ZSTD_DStream* stream_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool is_inside_frame_ = false;
  bool is_full_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> Unpacked(const std::string& name, std::unique_ptr<ByteSource> source) {
  constexpr std::array<std::uint8_t, 2> kGzipMagic{0x1f, 0x8b};
  constexpr std::array<std::uint8_t, 4> kZstdMagic{0x28, 0xb5, 0x2f, 0xfd};
  constexpr std::array<std::uint8_t, 3> kSkippedMagic{0x2a, 0x4d, 0x18};  // behind 0x50 to 0x5f (RFC 8878, section 3.1.2)

  std::vector<std::uint8_t> magic(kMagicBytes);
  std::size_t size = 0;
  while (size < kMagicBytes) {
    const std::size_t got = source->Read(std::span(magic).subspan(size));
    if (got == 0) {
      break;
    }
    size += got;
  }
  magic.resize(size);
  const bool is_gzip = size >= kGzipMagic.size() && std::equal(kGzipMagic.begin(), kGzipMagic.end(), magic.begin());
  const bool is_frame = size == kMagicBytes && std::equal(kZstdMagic.begin(), kZstdMagic.end(), magic.begin());
  const bool is_skipped = size == kMagicBytes && magic[0] >> 4 == 5 && std::equal(kSkippedMagic.begin(), kSkippedMagic.end(), magic.begin() + 1);
  auto whole = std::make_unique<Again>(std::move(magic), std::move(source));
  if (is_gzip) {
    return std::make_unique<Gzip>(name, std::move(whole));
  }
  if (is_frame || is_skipped) {
    return std::make_unique<Zstd>(name, std::move(whole));
  }
  return whole;
}

void BeforeWaiting(void (*look)()) { before_waiting = look; }

std::unique_ptr<ByteSource> OpenByteSource(const std::string& path) {
  Descriptor file(path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) {
    throw CaptureError(path, std::string("cannot be opened: ") + std::strerror(errno) + "; check the name and the rights");
  }
  struct stat status {};
  if (fstat(file.number(), &status) == 0 && S_ISDIR(status.st_mode)) {
    throw CaptureError(path, "is a folder; name the capture files in it");
  }
  return Unpacked(path, std::make_unique<PlainFile>(path, std::move(file)));
}

std::unique_ptr<ByteSource> OpenByteSource(const std::string& name, std::span<const std::uint8_t> bytes) {
  return Unpacked(name, std::make_unique<Memory>(bytes));
}

}  // namespace weir
