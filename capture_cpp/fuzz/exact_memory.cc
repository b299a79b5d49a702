// The flow table's arrays on the heap, each of exactly its size, so that the sanitizer sees a read
// beyond one; the product reserves whole pages (src/memory.cc).
#include <cstdlib>
#include <cstring>
#include <new>

#include "memory.h"
#include "record/flow_record.h"

namespace weir {

void* ReserveZeroed(std::size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kCacheLine, bytes) != 0) {
    throw std::bad_alloc();
  }
  std::memset(memory, 0, bytes);
  return memory;
}

void ReleaseReserved(void* memory, std::size_t /*bytes*/) { std::free(memory); }

}  // namespace weir
