// Finds a flow's slot by its key: a hash table of cache-line buckets.
//
// A bucket holds seven (tag, slot) pairs and counts the entries that found no room in it and went
// on to the next bucket; where that count is 0, a search ends. The tag says both which bucket an
// entry belongs to and, with the bits left over, whether it is worth comparing keys; so a lookup
// is one cache miss, those of a batch overlap, and growing reads no keys.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "memory.h"
#include "record/flow_record.h"

namespace weir {

class FlowIndex {
 public:
  // `heads` are the slots; slot 0 is never used and means "none".
  explicit FlowIndex(const LargeArray<FlowHead>* heads);

  // What so many flows need at most, in bytes, while growing included.
  static std::size_t BytesFor(std::size_t flows);

  void Prefetch(std::uint64_t hash) const { PrefetchLine(&buckets_[Home(TagOf(hash))]); }

  // The slot of `key`, or 0.
  std::uint32_t Find(std::uint64_t hash, const FlowKey& key) const;

  // A slot that probably holds the key with this hash: the first whose tag agrees, or 0.
  std::uint32_t Guess(std::uint64_t hash) const;

  void Insert(std::uint64_t hash, std::uint32_t slot);
  void Erase(std::uint64_t hash, std::uint32_t slot);

 private:
  static constexpr std::size_t kWays = 7;
  static constexpr std::size_t kFilledWays = 5;  // on average, when the table grows
  static constexpr std::size_t kFirstBuckets = std::size_t{1} << 15;  // 2 MiB: one large page
  struct alignas(kCacheLine) Bucket {
    std::array<std::uint32_t, kWays> tags;  // 0: free
    std::uint32_t passed_on;                // entries that live in a later bucket
    std::array<std::uint32_t, kWays> slots;
    std::uint32_t unused;
  };
  static_assert(sizeof(Bucket) == kCacheLine);

  static std::size_t BucketsFor(std::size_t flows);
  static std::uint32_t TagOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1; }
  std::size_t Home(std::uint32_t tag) const { return (tag >> 1) & mask_; }
  static unsigned Matches(const Bucket& bucket, std::uint32_t tag);
  void Place(std::uint32_t tag, std::uint32_t slot);
  void Grow();

  const LargeArray<FlowHead>* heads_;
  LargeArray<Bucket> buckets_;
  std::size_t mask_;
  std::size_t size_ = 0;
};

// One bit for each way whose tag agrees: all are compared at once.
inline unsigned FlowIndex::Matches(const Bucket& bucket, std::uint32_t tag) {
  using Lanes = std::uint32_t __attribute__((vector_size(4 * sizeof(std::uint32_t))));
  static_assert(offsetof(Bucket, tags) == 0 && sizeof(Lanes) * 2 == sizeof bucket.tags + sizeof bucket.passed_on);
  Lanes low;
  Lanes high;
  std::memcpy(&low, bucket.tags.data(), sizeof low);
  std::memcpy(&high, bucket.tags.data() + 4, sizeof high);
#ifdef __SSE2__
  const auto bits = [](Lanes equal) { return static_cast<unsigned>(_mm_movemask_ps(std::bit_cast<__m128>(equal))); };
  constexpr unsigned kAllWays = (1u << kWays) - 1;  // the last lane is passed_on
  return (bits(Lanes(low == tag)) | bits(Lanes(high == tag)) << 4) & kAllWays;
#else
  const Lanes bits = (Lanes(low == tag) & Lanes{1, 2, 4, 8}) | (Lanes(high == tag) & Lanes{16, 32, 64, 0});
  const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(bits);
  const std::uint64_t both = halves[0] | halves[1];
  return static_cast<unsigned>(both | both >> 32);
#endif
}

inline std::uint32_t FlowIndex::Find(std::uint64_t hash, const FlowKey& key) const {
  const std::uint32_t tag = TagOf(hash);
  for (std::size_t at = Home(tag);; at = (at + 1) & mask_) {
    const Bucket& bucket = buckets_[at];
    for (unsigned matches = Matches(bucket, tag); matches != 0; matches &= matches - 1) {
      const std::uint32_t slot = bucket.slots[static_cast<std::size_t>(std::countr_zero(matches))];
      if ((*heads_)[slot].key == key) {
        return slot;
      }
    }
    if (bucket.passed_on == 0) {
      return 0;
    }
  }
}

inline std::uint32_t FlowIndex::Guess(std::uint64_t hash) const {
  const std::uint32_t tag = TagOf(hash);
  const Bucket& bucket = buckets_[Home(tag)];
  const unsigned matches = Matches(bucket, tag);
  return matches == 0 ? 0 : bucket.slots[static_cast<std::size_t>(std::countr_zero(matches))];
}

}  // namespace weir
