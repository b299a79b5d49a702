// Large arrays: address space is reserved at once, memory is taken page by page as it is touched.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace weir {

// Zeroed memory of `bytes`, on 2 MiB pages where the kernel gives them. Throws std::bad_alloc.
void* ReserveZeroed(std::size_t bytes);
void ReleaseReserved(void* memory, std::size_t bytes);

// Asks for the cache line at `address`, which will be needed soon; any address will do.
//
// The empty assembly is an effect that cannot be left out: GCC 12 takes a function that does nothing
// but prefetch for one without effects and drops its calls, and the core ran a fifth slower.
[[gnu::always_inline]] inline void PrefetchLine(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");  // NOLINT(portability-no-assembler): it holds no instruction of any machine
}

inline constexpr std::size_t kCacheLine = 64;

// Asks for every line of an object.
template <typename Object>
void PrefetchWhole(const Object& object) {
  for (std::size_t at = 0; at < sizeof object; at += kCacheLine) {
    PrefetchLine(reinterpret_cast<const char*>(&object) + at);
  }
}

template <typename Item>
class LargeArray {
 public:
  static_assert(std::is_trivially_copyable_v<Item>);

  explicit LargeArray(std::size_t size) : items_(static_cast<Item*>(ReserveZeroed(size * sizeof(Item)))), size_(size) {}
  LargeArray(const LargeArray&) = delete;
  LargeArray& operator=(const LargeArray&) = delete;
  LargeArray(LargeArray&& other) noexcept : items_(other.items_), size_(other.size_) {
    other.items_ = nullptr;
    other.size_ = 0;
  }
  LargeArray& operator=(LargeArray&& other) noexcept {
    std::swap(items_, other.items_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~LargeArray() {
    if (items_ != nullptr) {
      ReleaseReserved(items_, size_ * sizeof(Item));
    }
  }

  Item& operator[](std::size_t index) { return items_[index]; }
  const Item& operator[](std::size_t index) const { return items_[index]; }
  std::size_t size() const { return size_; }

 private:
  Item* items_;
  std::size_t size_;
};

}  // namespace weir
