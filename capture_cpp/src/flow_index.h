// Finds a flow's slot by its key: a hash table of cache-line buckets.
//
// A bucket holds seven (tag, slot) pairs and counts the entries that found no room in it and went
// on to the next bucket; where that count is 0, a search ends. One lookup is one cache miss, and
// since it needs only the hash, the misses of a batch overlap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "flow_record.h"
#include "hash.h"
#include "memory.h"

namespace weir {

class FlowIndex {
 public:
  // `heads` are the slots; slot 0 is never used and means "none".
  explicit FlowIndex(const LargeArray<FlowHead>* heads) : heads_(heads), buckets_(kLeastBuckets), mask_(kLeastBuckets - 1) {}

  // Buckets needed for so many flows, in bytes, while growing included.
  static std::size_t BytesFor(std::size_t flows);

  void Prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets_[hash & mask_]); }

  // The slot of `key`, or 0.
  std::uint32_t Find(std::uint64_t hash, const FlowKey& key) const;

  // A slot that probably holds the key with this hash: the first whose tag agrees, or 0.
  std::uint32_t Guess(std::uint64_t hash) const;

  // `seed` is the one the hashes were made with; the table needs it when it grows.
  void Insert(std::uint64_t hash, std::uint32_t slot, const Seed& seed);
  void Erase(std::uint64_t hash, std::uint32_t slot);

 private:
  static constexpr std::size_t kWays = 7;
  static constexpr std::size_t kFilledWays = 5;  // on average, when the table grows
  static constexpr std::size_t kLeastBuckets = std::size_t{1} << 12;
  struct alignas(kCacheLine) Bucket {
    std::array<std::uint32_t, kWays> tags;  // 0: free
    std::uint32_t passed_on;                // entries that live in a later bucket
    std::array<std::uint32_t, kWays> slots;
    std::uint32_t unused;
  };
  static_assert(sizeof(Bucket) == kCacheLine);

  static std::uint32_t TagOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1; }
  void Place(std::uint64_t hash, std::uint32_t slot);
  void Grow(const Seed& seed);

  const LargeArray<FlowHead>* heads_;
  LargeArray<Bucket> buckets_;
  std::uint64_t mask_;
  std::size_t size_ = 0;
};

}  // namespace weir
