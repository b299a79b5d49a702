#include "application/applications.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "application/protocols.h"

namespace weir {
namespace {

constexpr std::uint8_t kMostSegments = 32;  // heard of one direction, whatever they hold

// Whole numbers are as good as these need to be: n log2 n in steps of 2^-24 bit.
constexpr double kStepsPerBit = 1 << 24;

struct Logarithms {
  std::array<std::uint32_t, kEntropyBytes + 1> growth;  // of n log2 n, when n grows by one
  std::array<std::uint32_t, kEntropyBytes + 1> log2;
};

Logarithms MakeLogarithms() {
  Logarithms made{};
  const auto steps = [](double bits) { return static_cast<std::uint32_t>(std::lround(bits * kStepsPerBit)); };
  const auto term = [](std::size_t n) { return n == 0 ? 0.0 : static_cast<double>(n) * std::log2(static_cast<double>(n)); };
  for (std::size_t n = 0; n <= kEntropyBytes; ++n) {
    made.growth[n] = steps(term(n + 1) - term(n));
    made.log2[n] = n == 0 ? 0 : steps(std::log2(static_cast<double>(n)));
  }
  return made;
}

}  // namespace

std::uint16_t EntropyOf(Bytes bytes) {
  static const Logarithms kLogarithms = MakeLogarithms();
  const auto size = static_cast<std::uint32_t>(std::min(bytes.size(), kEntropyBytes));
  if (size == 0) {
    return 0;
  }
  std::array<std::uint8_t, 256> counts{};
  std::uint64_t sum = 0;
  for (const std::uint8_t byte : bytes.first(size)) {
    sum += kLogarithms.growth[counts[byte]++];
  }
  const std::uint64_t mean = sum / size;
  const std::uint64_t entropy = kLogarithms.log2[size] > mean ? kLogarithms.log2[size] - mean : 0;
  return static_cast<std::uint16_t>(entropy * kEntropySteps >> 24);
}

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
