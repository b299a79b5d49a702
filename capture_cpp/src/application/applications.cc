#include "application/applications.h"

#include <algorithm>
#include <utility>

#include "application/protocols.h"

namespace weir {
namespace {

constexpr std::uint8_t kMostSegments = 32;  // heard of one direction, whatever they hold

}  // namespace

bool Applications::Listen(const Segment& segment, std::uint32_t* index) {
  return *index == 0 ? Begin(segment, index) : Continue(segment, &states_[*index]);
}

bool Applications::Begin(const Segment& segment, std::uint32_t* index) {
  for (const Protocol& protocol : Protocols(segment.stretch.is_udp)) {
    const Verdict verdict = protocol.parse(segment.stretch, scratch_.get());
    if (verdict == Verdict::kNo) {
      continue;
    }
    if (used_bytes_ + sizeof(State) + sizeof(Fields) > most_bytes_) {
      ++unread_;
      scratch_->Clear();
      return false;
    }
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(states_.size()));
      states_.emplace_back();
    }
    *index = free_.back();
    free_.pop_back();
    State& state = states_[*index];
    scratch_->Set(TextField::kApp, protocol.name);
    state.fields = std::exchange(scratch_, pool_.Take());
    state.parse = protocol.parse;
    return Heed(verdict, segment, &state);
  }
  return false;
}

// Only bytes in order count; what comes again or early is let pass, and the direction waits on.
bool Applications::Continue(const Segment& segment, State* state) {
  if (state->waiting == nullptr) {
    return Heed(state->parse(segment.stretch, state->fields.get()), segment, state);
  }
  Direction& direction = (*state->waiting)[segment.stretch.is_forward ? 0 : 1];
  if (++direction.segments > kMostSegments) {
    Conclude(&direction, state);
    Settle(state);
    return false;
  }
  if (direction.bytes.empty()) {
    return Heed(state->parse(segment.stretch, state->fields.get()), segment, state);
  }
  if (!segment.stretch.is_udp && segment.sequence != direction.next_sequence) {
    return true;
  }
  const std::size_t room = kMostFirstBytes - std::min(direction.bytes.size(), kMostFirstBytes);
  const Bytes more = segment.stretch.bytes.first(std::min(segment.stretch.bytes.size(), room));
  direction.bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
  Stretch whole = segment.stretch;
  whole.bytes = {reinterpret_cast<const std::uint8_t*>(direction.bytes.data()), direction.bytes.size()};
  whole.is_last = direction.bytes.size() >= kMostFirstBytes || more.size() < segment.size;
  const Verdict verdict = state->parse(whole, state->fields.get());
  direction.next_sequence = segment.sequence + segment.size;
  if (verdict == Verdict::kMore && !whole.is_last) {
    Settle(state);
    return true;
  }
  direction = {};
  Settle(state);
  return false;
}

// After a parser saw a direction's bytes for the first time.
bool Applications::Heed(Verdict verdict, const Segment& segment, State* state) {
  const Stretch& stretch = segment.stretch;
  const bool is_whole = stretch.bytes.size() >= segment.size && !stretch.is_last;
  const bool goes_on = verdict == Verdict::kMore && is_whole && stretch.bytes.size() < kMostFirstBytes && used_bytes_ + kMostFirstBytes <= most_bytes_;
  if (goes_on) {
    if (state->waiting == nullptr) {
      state->waiting = std::make_unique<Directions>();
    }
    Direction& direction = (*state->waiting)[stretch.is_forward ? 0 : 1];
    direction.bytes.assign(reinterpret_cast<const char*>(stretch.bytes.data()), stretch.bytes.size());
    direction.heard = stretch;
    direction.next_sequence = segment.sequence + segment.size;
  } else if (verdict == Verdict::kMore && !stretch.is_last) {
    Stretch last = stretch;
    last.is_last = true;
    state->parse(last, state->fields.get());
  }
  Settle(state);
  return goes_on;
}

// Lets the parser say what it made of a direction that still waited for more.
void Applications::Conclude(Direction* direction, State* state) {
  if (!direction->bytes.empty()) {
    Stretch last = direction->heard;
    last.bytes = {reinterpret_cast<const std::uint8_t*>(direction->bytes.data()), direction->bytes.size()};
    last.is_last = true;
    state->parse(last, state->fields.get());
  }
  *direction = {};
}

void Applications::Settle(State* state) {
  std::size_t bytes = 0;
  if (state->fields != nullptr) {
    bytes = sizeof(State) + state->fields->bytes();
  }
  if (state->waiting != nullptr) {
    bytes += sizeof(Directions) + (*state->waiting)[0].bytes.capacity() + (*state->waiting)[1].bytes.capacity();
  }
  used_bytes_ += bytes - state->counted_bytes;
  state->counted_bytes = bytes;
}

FieldsPool::Handle Applications::Take(std::uint32_t index) {
  if (index == 0) {
    return {};
  }
  State& state = states_[index];
  if (state.waiting != nullptr) {
    Conclude(state.waiting->data(), &state);
    Conclude(&(*state.waiting)[1], &state);
    state.waiting.reset();
  }
  FieldsPool::Handle fields = std::move(state.fields);
  state.parse = nullptr;
  Settle(&state);
  free_.push_back(index);
  return fields;
}

}  // namespace weir
