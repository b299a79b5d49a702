#include "decode/fragments.h"

#include <algorithm>

#include "options.h"

namespace weir {

bool Fragments::Remember(const FragmentKey& key, FragmentFlow flow, FragmentSpan span, std::int64_t time_us) {
  const auto known = flows_.find(key);
  const bool is_known = known != flows_.end() && time_us - known->second.time_us <= kFragmentLifeUs;
  Entry entry{flow, time_us, ++turn_, is_known ? known->second.seen : decltype(Entry::seen){}};
  const bool is_again = Note(span, &entry);
  flows_[key] = entry;
  order_.push_back({key, turn_});
  while (order_.size() > kMostFragmented) {
    const auto oldest = flows_.find(order_.front().key);
    if (oldest != flows_.end() && oldest->second.turn == order_.front().turn) {
      flows_.erase(oldest);
    }
    order_.pop_front();
  }
  return is_again;
}

const FragmentFlow* Fragments::Find(const FragmentKey& key, FragmentSpan span, std::int64_t time_us, bool* is_again) {
  const auto found = flows_.find(key);
  if (found == flows_.end() || time_us - found->second.time_us > kFragmentLifeUs) {
    return nullptr;
  }
  *is_again = Note(span, &found->second);
  return &found->second.flow;
}

void Fragments::Keep(const EarlyFragment& early) {
  if (early_.size() == kMostEarly) {
    early_.clear();
  }
  early_.emplace(early.key, early);
}

void Fragments::TakeEarly(const FragmentKey& key, std::int64_t time_us, std::vector<Packet>* packets) {
  if (early_.empty()) {
    return;
  }
  const auto [begin, end] = early_.equal_range(key);
  Entry& entry = flows_.find(key)->second;
  const FragmentFlow& flow = entry.flow;
  for (auto one = begin; one != end; ++one) {
    if (time_us - one->second.packet.time_us > kFragmentLifeUs) {
      continue;
    }
    Note(one->second.span, &entry);
    Packet& packet = packets->emplace_back(one->second.packet);
    packet.time_us = time_us;
    packet.is_from_b = packet.key.a == packet.key.b ? flow.destination_port < flow.source_port : packet.is_from_b;
    packet.key.port_a = packet.is_from_b ? flow.destination_port : flow.source_port;
    packet.key.port_b = packet.is_from_b ? flow.source_port : flow.destination_port;
    packet.key.protocol = flow.protocol;
  }
  early_.erase(begin, end);
}

// Adds the span to those seen and says whether it met one of them. What lies in more pieces than
// there is room for is not noted, so a repetition of it is not seen.
bool Fragments::Note(FragmentSpan span, Entry* entry) {
  bool is_again = false;
  std::size_t kept = 0;
  for (const FragmentSpan& seen : entry->seen) {
    if (seen.end == 0) {
      break;
    }
    is_again |= span.begin < seen.end && seen.begin < span.end;
    if (span.begin <= seen.end && seen.begin <= span.end) {
      span = {std::min(span.begin, seen.begin), std::max(span.end, seen.end)};
    } else {
      entry->seen[kept++] = seen;
    }
  }
  if (kept < entry->seen.size()) {
    entry->seen[kept++] = span;
  }
  std::fill(entry->seen.begin() + static_cast<std::ptrdiff_t>(kept), entry->seen.end(), FragmentSpan{});
  return is_again;
}

}  // namespace weir
