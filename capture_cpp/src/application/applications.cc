#include "application/applications.h"

#include <algorithm>
#include <utility>

#include "application/protocols.h"

namespace weir {
namespace {

constexpr std::uint8_t kMostSegments = 32;  // heard of one direction, whatever they hold

// Whether bytes that say nothing yet may have been cut early: TCP may cut anywhere.
bool IsTooShort(const Stretch& stretch) { return !stretch.is_udp && !stretch.is_last && stretch.bytes.size() < kLeastFirstBytes; }

}  // namespace

bool Applications::Listen(const Segment& segment, std::uint32_t* index) {
  return *index == 0 ? Begin(segment, index) : Continue(segment, &states_[*index]);
}

// Asks one parser after the other.
Applications::Finding Applications::Recognise(const Stretch& stretch) {
  for (const Protocol& protocol : Protocols(stretch.is_udp)) {
    if (const Verdict verdict = protocol.parse(stretch, scratch_.get()); verdict != Verdict::kNo) {
      return {&protocol, verdict};
    }
  }
  return {};
}

// From now on the flow is of this protocol, whose parser has filled scratch_.
void Applications::Adopt(const Protocol& protocol, State* state) {
  scratch_->Set(TextField::kApp, protocol.name);
  state->fields = std::exchange(scratch_, pool_.Take());
  state->parse = protocol.parse;
}

// What the flow's parser says or, where it has none yet, the first that knows the bytes.
Verdict Applications::Ask(const Stretch& stretch, State* state) {
  if (state->parse != nullptr) {
    return state->parse(stretch, state->fields.get());
  }
  const Finding found = Recognise(stretch);
  if (found.protocol == nullptr) {
    return Verdict::kNo;
  }
  if (used_bytes_ + sizeof(Fields) > most_bytes_) {
    ++unread_;
    scratch_->Clear();
    return Verdict::kNo;
  }
  Adopt(*found.protocol, state);
  return found.verdict;
}

bool Applications::Begin(const Segment& segment, std::uint32_t* index) {
  const Finding found = Recognise(segment.stretch);
  if (found.protocol == nullptr && !IsTooShort(segment.stretch)) {
    return false;
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
  if (found.protocol != nullptr) {
    Adopt(*found.protocol, &state);
  }
  return Heed(found.verdict, segment, &state);
}

bool Applications::Continue(const Segment& segment, State* state) {
  if (state->waiting == nullptr) {
    return Heed(Ask(segment.stretch, state), segment, state);
  }
  Direction& direction = (*state->waiting)[segment.stretch.is_forward ? 0 : 1];
  if (++direction.segments > kMostSegments) {
    Conclude(&direction, state);
    Settle(state);
    return false;
  }
  if (direction.bytes.empty()) {
    return Heed(Ask(segment.stretch, state), segment, state);
  }
  return Join(segment, &direction, state);
}

// Only new bytes in order count; what comes again or early is let pass, and the direction waits on.
bool Applications::Join(const Segment& segment, Direction* direction, State* state) {
  const auto known = segment.stretch.is_udp ? 0 : static_cast<std::int32_t>(direction->next_sequence - segment.sequence);
  if (known < 0 || static_cast<std::uint32_t>(known) >= segment.size) {
    return true;
  }
  const Bytes captured = segment.stretch.bytes;
  const Bytes fresh = captured.subspan(std::min(captured.size(), static_cast<std::size_t>(known)));
  const std::size_t room = kMostFirstBytes - std::min(direction->bytes.size(), kMostFirstBytes);
  const Bytes more = fresh.first(std::min(fresh.size(), room));
  direction->bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
  direction->next_sequence = segment.sequence + segment.size;
  Stretch whole = segment.stretch;
  whole.bytes = {reinterpret_cast<const std::uint8_t*>(direction->bytes.data()), direction->bytes.size()};
  whole.is_last = direction->bytes.size() >= kMostFirstBytes || more.size() + static_cast<std::size_t>(known) < segment.size;
  const Verdict verdict = Ask(whole, state);
  const bool goes_on = verdict == Verdict::kMore ? !whole.is_last : verdict == Verdict::kNo && IsTooShort(whole);
  if (!goes_on) {
    *direction = {};
  }
  Settle(state);
  return goes_on;
}

// After a parser saw a direction's bytes for the first time.
bool Applications::Heed(Verdict verdict, const Segment& segment, State* state) {
  const Stretch& stretch = segment.stretch;
  const bool is_whole = stretch.bytes.size() >= segment.size && !stretch.is_last;
  const bool wants_more = verdict == Verdict::kMore || (verdict == Verdict::kNo && IsTooShort(stretch));
  const bool goes_on = wants_more && is_whole && stretch.bytes.size() < kMostFirstBytes && used_bytes_ + kMostFirstBytes <= most_bytes_;
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
    Ask(last, state);
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
    Ask(last, state);
  }
  *direction = {};
}

void Applications::Settle(State* state) {
  std::size_t bytes = 0;
  if (state->fields != nullptr) {
    bytes = sizeof(State) + state->fields->bytes();
  }
  if (state->waiting != nullptr) {
    bytes += (state->fields == nullptr ? sizeof(State) : 0) + sizeof(Directions) + (*state->waiting)[0].bytes.capacity() + (*state->waiting)[1].bytes.capacity();
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
