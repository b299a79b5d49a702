#include "first_bytes.h"

#include <algorithm>
#include <utility>

namespace weir {
namespace {

void AppendTo(std::string* text, Bytes bytes) { text->append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }

}  // namespace

bool FirstBytes::Add(const SegmentBytes& segment, std::size_t most) {
  if (!is_begun_) {
    is_begun_ = true;
    next_sequence_ = segment.sequence - segment.missing;
  }
  if (static_cast<std::int32_t>(segment.sequence - next_sequence_) > 0) {
    if (early_.empty() && !is_over_) {
      AppendTo(&early_, segment.captured.first(std::min(segment.captured.size(), most - bytes_.size())));
      early_sequence_ = segment.sequence;
      early_size_ = segment.size;
    }
    return false;
  }
  if (!Append(segment, most)) {
    return false;
  }
  if (!early_.empty() && static_cast<std::int32_t>(early_sequence_ - next_sequence_) <= 0) {
    const std::string early = std::exchange(early_, {});
    Append({AsBytes(early), early_sequence_, early_size_, 0}, most);
  }
  early_.resize(std::min(early_.size(), most - bytes_.size()));
  return true;
}

// Only bytes behind those that are known count.
bool FirstBytes::Append(const SegmentBytes& segment, std::size_t most) {
  const std::uint32_t known = next_sequence_ - segment.sequence;
  if (is_over_ || known >= segment.size) {
    return false;
  }
  const Bytes fresh = segment.captured.subspan(std::min<std::size_t>(segment.captured.size(), known));
  const Bytes more = fresh.first(std::min(fresh.size(), most - bytes_.size()));
  AppendTo(&bytes_, more);
  next_sequence_ = segment.sequence + segment.size;
  is_over_ = more.size() + known < segment.size || bytes_.size() >= most;
  return true;
}

void FirstBytes::GiveUp() {
  if (bytes_.empty()) {
    bytes_ = std::exchange(early_, {});
  }
}

}  // namespace weir
