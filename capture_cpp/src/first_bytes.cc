#include "first_bytes.h"

#include <algorithm>

namespace weir {
namespace {

constexpr std::size_t kMostEarly = 8;

void AppendTo(std::string* text, Bytes bytes) { text->append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }

}  // namespace

bool FirstBytes::Add(const SegmentBytes& segment, std::size_t most) {
  if (!is_begun_) {
    is_begun_ = true;
    next_sequence_ = segment.sequence - static_cast<std::uint32_t>(segment.ahead);
  }
  if (static_cast<std::int32_t>(segment.sequence - next_sequence_) > 0) {
    Keep(segment, most);
    return false;
  }
  if (!Append(segment, most)) {
    return false;
  }
  AppendEarly(most);
  Shorten(most - bytes_.size());
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

// What came early and is missing nothing before it any more.
void FirstBytes::AppendEarly(std::size_t most) {
  while (!early_.empty() && static_cast<std::int32_t>(early_.front().sequence - next_sequence_) <= 0) {
    const Early early = std::move(early_.front());
    early_.erase(early_.begin());
    Append({AsBytes(early.bytes), early.sequence, early.size, 0}, most);
  }
}

void FirstBytes::Keep(const SegmentBytes& segment, std::size_t most) {
  const std::size_t room = most - bytes_.size();
  if (is_over_ || room == 0 || segment.captured.empty()) {
    return;
  }
  const auto distance = [this](const Early& early) { return early.sequence - next_sequence_; };
  const auto place = std::ranges::lower_bound(early_, segment.sequence - next_sequence_, {}, distance);
  if (place != early_.end() && place->sequence == segment.sequence && place->size >= segment.size) {
    return;
  }
  Early early{segment.sequence, segment.size, {}};
  AppendTo(&early.bytes, segment.captured.first(std::min(segment.captured.size(), room)));
  early_.insert(place, std::move(early));
  Shorten(room);
}

// Forgets the farthest of what came early.
void FirstBytes::Shorten(std::size_t room) {
  std::size_t kept = 0;
  for (const Early& early : early_) {
    kept += early.bytes.size();
  }
  while (!early_.empty() && (kept > room || early_.size() > kMostEarly)) {
    kept -= early_.back().bytes.size();
    early_.pop_back();
  }
}

void FirstBytes::GiveUp(std::size_t most) {
  if (bytes_.empty() && !early_.empty()) {
    next_sequence_ = early_.front().sequence;
    AppendEarly(most);
  }
}

std::size_t FirstBytes::capacity() const {
  std::size_t bytes = bytes_.capacity() + early_.capacity() * sizeof(Early);
  for (const Early& early : early_) {
    bytes += early.bytes.capacity();
  }
  return bytes;
}

}  // namespace weir
