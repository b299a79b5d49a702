#include "flow_index.h"

#include <bit>

namespace weir {

std::size_t FlowIndex::BytesFor(std::size_t flows) {
  const std::size_t buckets = std::bit_ceil(std::max(kLeastBuckets, flows / kFilledWays + 1));
  return (buckets + buckets / 2) * sizeof(Bucket);
}

std::uint32_t FlowIndex::Find(std::uint64_t hash, const FlowKey& key) const {
  const std::uint32_t tag = TagOf(hash);
  for (std::uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
    const Bucket& bucket = buckets_[at];
    for (std::size_t way = 0; way < kWays; ++way) {
      if (bucket.tags[way] == tag && (*heads_)[bucket.slots[way]].key == key) {
        return bucket.slots[way];
      }
    }
    if (bucket.passed_on == 0) {
      return 0;
    }
  }
}

std::uint32_t FlowIndex::Guess(std::uint64_t hash) const {
  const Bucket& bucket = buckets_[hash & mask_];
  const std::uint32_t tag = TagOf(hash);
  for (std::size_t way = 0; way < kWays; ++way) {
    if (bucket.tags[way] == tag) {
      return bucket.slots[way];
    }
  }
  return 0;
}

void FlowIndex::Place(std::uint64_t hash, std::uint32_t slot) {
  for (std::uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
    Bucket& bucket = buckets_[at];
    for (std::size_t way = 0; way < kWays; ++way) {
      if (bucket.tags[way] == 0) {
        bucket.tags[way] = TagOf(hash);
        bucket.slots[way] = slot;
        return;
      }
    }
    ++bucket.passed_on;
  }
}

void FlowIndex::Insert(std::uint64_t hash, std::uint32_t slot, const Seed& seed) {
  if (++size_ > buckets_.size() * kFilledWays) {
    Grow(seed);
  }
  Place(hash, slot);
}

void FlowIndex::Erase(std::uint64_t hash, std::uint32_t slot) {
  --size_;
  for (std::uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
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

void FlowIndex::Grow(const Seed& seed) {
  LargeArray<Bucket> old(buckets_.size() * 2);
  std::swap(old, buckets_);
  mask_ = buckets_.size() - 1;
  for (std::size_t at = 0; at < old.size(); ++at) {
    for (std::size_t way = 0; way < kWays; ++way) {
      if (old[at].tags[way] != 0) {
        const std::uint32_t slot = old[at].slots[way];
        Place(Hash((*heads_)[slot].key, seed), slot);
      }
    }
  }
}

}  // namespace weir
