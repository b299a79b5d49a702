// Files that appear whole or not at all. Failures of the disk come back as error codes, since the
// sensor lives on; they are never passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::sensor {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

std::error_code LastError();
// Writes all of it, however often that takes.
std::error_code WriteAll(int descriptor, std::span<const std::byte> bytes);
std::error_code WriteAllAt(int descriptor, std::span<const std::byte> bytes, std::uint64_t offset);
// Fills `bytes`; a file that ends before is an error.
std::error_code ReadAllAt(int descriptor, std::span<std::byte> bytes, std::uint64_t offset);

// Blocks of a disk begin at multiples of this; enough for every device in use.
inline constexpr std::size_t kBlockBytes = 4096;
// At least this much, and it is written past the page cache where the file system allows that: the
// copy into fresh cache pages would cost more than all the rest of writing.
inline constexpr std::size_t kLeastDirectBytes = 64 * 1024;

// A file under construction: ".name.part" until Publish() gives it its name. An object that is
// destroyed before leaves the part where it is, as a crash would; Discard() removes it.
class HiddenFile {
 public:
  HiddenFile(int folder, std::string name);

  std::error_code Create();
  // Takes up what a dead writer left under either name.
  std::error_code Reopen();
  // After a failure, the file is cut back to what it held before. Costs least where `bytes` lie in memory
  // as they will in the file: as far behind a multiple of kBlockBytes.
  std::error_code Append(std::span<const std::byte> bytes);
  std::error_code CutTo(std::uint64_t size);
  // The bytes are on the disk afterwards, still under the hidden name.
  std::error_code Flush();
  // Renames, and makes the name last. Flush() comes first. On failure it may be visible or not, and it may be called again.
  std::error_code Publish();
  // Takes the name back after a Publish() that was in vain.
  std::error_code Hide();
  // Removes the file under either name.
  void Discard();

  std::uint64_t size() const { return size_; }
  int descriptor() const { return file_.get(); }
  const std::string& name() const { return name_; }
  std::string hidden_name() const;

 private:
  std::error_code Write(std::span<const std::byte> bytes);

  int folder_;
  std::string name_;
  Descriptor file_;
  Descriptor direct_;  // the same file, past the page cache; closed where its file system has no such thing
  std::uint64_t size_ = 0;
  bool visible_ = false;
};

}  // namespace weir::sensor
