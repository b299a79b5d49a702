#include "application/applications.h"

#include <algorithm>
#include <utility>

#include "application/protocols.h"

namespace weir {
namespace {

constexpr std::uint8_t kMostSegments = 32;  // heard of one direction, whatever they hold

// Whether bytes that say nothing yet may have been cut early: TCP may cut anywhere.
bool IsTooShort(const Stretch& stretch) { return !stretch.is_udp && !stretch.is_last && stretch.bytes.size() < kLeastFirstBytes; }

// What of a segment lies behind the bytes that are known, such as those of a keep-alive or of an old copy.
Applications::Segment Fresh(Applications::Segment segment) {
  if (segment.ahead < 0) {
    const std::uint32_t known = std::min(0u - static_cast<std::uint32_t>(segment.ahead), segment.size);
    const Bytes bytes = segment.stretch.bytes;
    segment.stretch.bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), known));
    segment.sequence += known;
    segment.size -= known;
    segment.ahead = 0;
  }
  return segment;
}

std::size_t SideOf(const Stretch& stretch) { return stretch.is_forward ? 0 : 1; }

}  // namespace

bool Applications::Listen(const Segment& segment, std::uint32_t* index) {
  if (*index > kUnread) {
    return Continue(segment, &states_[*index]);
  }
  const Segment fresh = Fresh(segment);
  return fresh.size == 0 || Begin(fresh, index);  // where nothing is new, the beginning is still to come
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

// Counts the flow, unless that was done.
void Applications::NoteUnread(State* state) {
  unread_ += state->is_unread ? 0 : 1;
  state->is_unread = true;
}

// The same for a flow that has no state. Returns that no more of this direction is wanted.
bool Applications::LeaveUnread(std::uint32_t* index) {
  unread_ += *index == kUnread ? 0 : 1;
  *index = kUnread;
  return false;
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
    NoteUnread(state);
    scratch_->Clear();
    return Verdict::kNo;
  }
  Adopt(*found.protocol, state);
  return found.verdict;
}

// The flow's state; a new one where it has none.
Applications::State* Applications::StateOf(std::uint32_t* index) {
  if (*index <= kUnread) {
    const bool is_unread = *index == kUnread;
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(states_.size()));
      states_.emplace_back();
    }
    *index = free_.back();
    free_.pop_back();
    if (!free_.empty()) {
      Prefetch(free_.back());  // the next one, which may have been left long ago
    }
    states_[*index].is_unread = is_unread;
  }
  return &states_[*index];
}

bool Applications::Begin(const Segment& segment, std::uint32_t* index) {
  const bool is_early = segment.ahead > 0;
  if (is_early && CanWait()) {
    return Hold(segment, StateOf(index));
  }
  const Finding found = Recognise(segment.stretch);
  if (found.protocol == nullptr && !IsTooShort(segment.stretch)) {
    return is_early && LeaveUnread(index);
  }
  if (used_bytes_ + sizeof(State) + sizeof(Fields) > most_bytes_) {
    scratch_->Clear();
    return LeaveUnread(index);
  }
  State* state = StateOf(index);
  if (found.protocol != nullptr) {
    Adopt(*found.protocol, state);
  }
  return Heed(found.verdict, segment, state);
}

bool Applications::Continue(const Segment& segment, State* state) {
  if (state->waiting != nullptr) {
    Direction& direction = (*state->waiting)[SideOf(segment.stretch)];
    if (++direction.segments > kMostSegments) {
      Conclude(&direction, state);
      Settle(state);
      return false;
    }
    if (direction.first.is_waiting()) {
      return Join(segment, &direction, state);
    }
  }
  const Segment fresh = Fresh(segment);
  if (fresh.size == 0) {
    return true;
  }
  return fresh.ahead > 0 && CanWait() ? Hold(fresh, state) : Heed(Ask(fresh.stretch, state), fresh, state);
}

// Keeps a direction's bytes until the rest comes, or what is missing before them.
bool Applications::Hold(const Segment& segment, State* state) {
  if (state->waiting == nullptr) {
    state->waiting = std::make_unique<Directions>();
  }
  Direction& direction = (*state->waiting)[SideOf(segment.stretch)];
  direction.heard = segment.stretch;
  direction.first.Add({segment.stretch.bytes, segment.sequence, segment.size, segment.ahead}, kMostFirstBytes);
  Settle(state);
  return true;
}

// Only new bytes in order count; what comes again or early is let pass, and the direction waits on.
bool Applications::Join(const Segment& segment, Direction* direction, State* state) {
  FirstBytes& first = direction->first;
  const std::uint32_t sequence = segment.stretch.is_udp ? first.next_sequence() : segment.sequence;
  if (!first.Add({segment.stretch.bytes, sequence, segment.size, 0}, kMostFirstBytes)) {
    Settle(state);
    return true;
  }
  Stretch whole = segment.stretch;
  whole.bytes = first.bytes();
  whole.is_last = first.is_over();
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
  if (wants_more && is_whole && stretch.bytes.size() < kMostFirstBytes) {
    if (CanWait()) {
      return Hold(segment, state);
    }
    NoteUnread(state);
  }
  if (verdict == Verdict::kMore && !stretch.is_last) {
    Stretch last = stretch;
    last.is_last = true;
    Ask(last, state);
  }
  Settle(state);
  return false;
}

// Lets the parser say what it made of a direction that still waited for more.
void Applications::Conclude(Direction* direction, State* state) {
  if (direction->first.is_waiting()) {
    direction->first.GiveUp(kMostFirstBytes);
    Stretch last = direction->heard;
    last.bytes = direction->first.bytes();
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
    bytes += (state->fields == nullptr ? sizeof(State) : 0) + sizeof(Directions) + (*state->waiting)[0].first.capacity() + (*state->waiting)[1].first.capacity();
  }
  used_bytes_ += bytes - state->counted_bytes;
  state->counted_bytes = static_cast<std::uint32_t>(bytes);
}

FieldsPool::Handle Applications::Take(std::uint32_t index) {
  if (index <= kUnread) {
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
