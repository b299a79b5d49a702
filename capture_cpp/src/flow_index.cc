#include "flow_index.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace weir {

FlowIndex::FlowIndex(const LargeArray<FlowHead>* heads)
    : heads_(heads), buckets_(std::min(kFirstBuckets, BucketsFor(heads->size()))), mask_(buckets_.size() - 1) {}

std::size_t FlowIndex::BucketsFor(std::size_t flows) { return std::bit_ceil(flows / kFilledWays + 1); }

std::size_t FlowIndex::BytesFor(std::size_t flows) {
  const std::size_t buckets = BucketsFor(flows);
  return (buckets + buckets / 2) * sizeof(Bucket);
}

// One bit for each way whose tag agrees: all are compared at once.
inline unsigned FlowIndex::Matches(const Bucket& bucket, std::uint32_t tag) {
  using Lanes = std::uint32_t __attribute__((vector_size(4 * sizeof(std::uint32_t))));
  static_assert(offsetof(Bucket, tags) == 0 && sizeof(Lanes) * 2 == sizeof bucket.tags + sizeof bucket.passed_on);
  Lanes low;
  Lanes high;
  std::memcpy(&low, bucket.tags.data(), sizeof low);
  std::memcpy(&high, bucket.tags.data() + 4, sizeof high);
  const Lanes bits = (Lanes(low == tag) & Lanes{1, 2, 4, 8}) | (Lanes(high == tag) & Lanes{16, 32, 64, 0});
  const std::array<std::uint64_t, 2> halves = std::bit_cast<std::array<std::uint64_t, 2>>(bits);
  const std::uint64_t both = halves[0] | halves[1];
  return static_cast<unsigned>(both | both >> 32);
}

std::uint32_t FlowIndex::Find(std::uint64_t hash, const FlowKey& key) const {
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

std::uint32_t FlowIndex::Guess(std::uint64_t hash) const {
  const std::uint32_t tag = TagOf(hash);
  const Bucket& bucket = buckets_[Home(tag)];
  const unsigned matches = Matches(bucket, tag);
  return matches == 0 ? 0 : bucket.slots[static_cast<std::size_t>(std::countr_zero(matches))];
}

void FlowIndex::Place(std::uint32_t tag, std::uint32_t slot) {
  for (std::size_t at = Home(tag);; at = (at + 1) & mask_) {
    Bucket& bucket = buckets_[at];
    for (std::size_t way = 0; way < kWays; ++way) {
      if (bucket.tags[way] == 0) {
        bucket.tags[way] = tag;
        bucket.slots[way] = slot;
        return;
      }
    }
    ++bucket.passed_on;
  }
}

void FlowIndex::Insert(std::uint64_t hash, std::uint32_t slot) {
  if (++size_ > buckets_.size() * kFilledWays) {
    Grow();
  }
  Place(TagOf(hash), slot);
}

void FlowIndex::Erase(std::uint64_t hash, std::uint32_t slot) {
  --size_;
  for (std::size_t at = Home(TagOf(hash));; at = (at + 1) & mask_) {
    Bucket& bucket = buckets_[at];
    for (std::size_t way = 0; way < kWays; ++way) {
      if (bucket.tags[way] != 0 && bucket.slots[way] == slot) {
        bucket.tags[way] = 0;
        return;
      }
    }
    --bucket.passed_on;
  }
}

void FlowIndex::Grow() {
  LargeArray<Bucket> old(buckets_.size() * 2);
  std::swap(old, buckets_);
  mask_ = buckets_.size() - 1;
  for (std::size_t at = 0; at < old.size(); ++at) {
    for (std::size_t way = 0; way < kWays; ++way) {
      if (old[at].tags[way] != 0) {
        Place(old[at].tags[way], old[at].slots[way]);
      }
    }
  }
}

}  // namespace weir
