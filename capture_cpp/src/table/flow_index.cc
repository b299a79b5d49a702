#include "table/flow_index.h"

#include <algorithm>
#include <bit>

namespace weir {

FlowIndex::FlowIndex(const LargeArray<FlowHead>* heads)
    : heads_(heads), buckets_(std::min(kFirstBuckets, BucketsFor(heads->size()))), mask_(buckets_.size() - 1) {}

std::size_t FlowIndex::BucketsFor(std::size_t flows) { return std::bit_ceil(flows / kFilledWays + 1); }

std::size_t FlowIndex::BytesFor(std::size_t flows) {
  const std::size_t buckets = BucketsFor(flows);
  return (buckets + buckets / 2) * sizeof(Bucket);
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
