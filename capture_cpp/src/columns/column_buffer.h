// A growing array of plain values, handed over to Arrow as it is; it begins at a line of the cache, as Arrow recommends.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

namespace weir {

class ColumnBuffer {
 public:
  ColumnBuffer() = default;
  ColumnBuffer(ColumnBuffer&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)), room_(std::exchange(other.room_, 0)) {}
  ColumnBuffer& operator=(ColumnBuffer&&) = delete;
  ~ColumnBuffer();

  // Takes memory for so many bytes in all, so that they come without moving what is there.
  void Reserve(std::size_t bytes) {
    if (bytes > room_) {
      Grow(bytes);
    }
  }

  // Room for `bytes` more at the end, to be filled by the caller.
  unsigned char* Extend(std::size_t bytes) {
    if (size_ + bytes > room_) {
      Grow(size_ + bytes);
    }
    unsigned char* end = bytes_ + size_;
    size_ += bytes;
    return end;
  }

  template <typename Value>
  void Append(Value value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    std::memcpy(Extend(sizeof value), &value, sizeof value);
  }

  // Gives back the last `bytes`, which the caller did not fill.
  void Shrink(std::size_t bytes) { size_ -= bytes; }

  // Forgets the values and keeps the memory.
  void Clear() { size_ = 0; }

  const void* data() const { return bytes_; }
  std::size_t size() const { return size_; }

 private:
  void Grow(std::size_t least);

  unsigned char* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

}  // namespace weir
