#include "columns/column_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#include "memory.h"
#include "options.h"

namespace weir {
namespace {

constexpr std::size_t kLeastRoom = kHasSmallLimits ? 64 : 4'096;

// From here on a buffer has pages of its own, which move without being copied and are 2 MiB large
// where the kernel gives such: a quarter of the time of a SYN flood went into page faults before.
constexpr std::size_t kOwnPages = std::size_t{2} << 20;

}  // namespace

ColumnBuffer::~ColumnBuffer() {
  if (room_ >= kOwnPages) {
    munmap(bytes_, room_);
  } else {
    std::free(bytes_);
  }
}

void ColumnBuffer::Grow(std::size_t least) {
  const std::size_t room = std::bit_ceil(std::max({kLeastRoom, 2 * room_, least}));
  void* grown = nullptr;
  if (room < kOwnPages) {
    grown = std::aligned_alloc(kCacheLine, room);
    if (grown == nullptr) {
      throw std::bad_alloc();
    }
  } else {
    grown = room_ >= kOwnPages ? mremap(bytes_, room_, room, MREMAP_MAYMOVE)
                               : mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (grown == MAP_FAILED) {
      throw std::bad_alloc();
    }
    madvise(grown, room, MADV_HUGEPAGE);
  }
  if (room_ > 0 && room_ < kOwnPages) {
    std::memcpy(grown, bytes_, size_);
    std::free(bytes_);
  }
  bytes_ = static_cast<unsigned char*>(grown);
  room_ = room;
}

}  // namespace weir
