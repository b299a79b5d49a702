// Remembers when flows may fall due, by the second of packet time.
//
// Lazy: a flow's entry is not moved when a packet comes. When its second arrives, the table looks
// whether the flow is really due and otherwise enters it again, once per timeout at most.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "options.h"

namespace weir {

class TimerWheel {
 public:
  static constexpr std::int64_t kSeconds = kWheelSeconds;
  static constexpr std::size_t kEntryBytes = 2 * sizeof(std::uint32_t);  // vectors grow by doubling

  // The first second that has not been visited yet.
  std::int64_t next_second() const { return next_second_; }

  // Sets the clock, forwards without visiting or backwards.
  void SetClock(std::int64_t second) {
    next_second_ = second;
    oldest_ = second;
  }

  // Enters a flow; a second out of reach is brought nearer, as looking too early costs little.
  void Enter(std::uint32_t slot, std::int64_t second) {
    const std::int64_t reached = std::clamp(second, next_second_, next_second_ + kSeconds - 1);
    oldest_ = std::min(oldest_, reached);
    At(reached).entries.push_back(slot);
  }

  // Calls `visit(due, i)` for each entry due[i] of the next second and moves on; `visit` may look
  // ahead in `due`, and Enter() again.
  template <typename Visit>
  void Advance(const Visit& visit) {
    Second& second = At(next_second_);
    std::vector<std::uint32_t> due;
    due.swap(second.entries);
    const std::size_t head = second.head;
    second.head = 0;
    ++next_second_;
    oldest_ = std::max(oldest_, next_second_);
    for (std::size_t i = head; i < due.size(); ++i) {
      visit(due, i);
    }
  }

  // Takes the entry that stands first, and says for which second; there must be one.
  std::uint32_t TakeFirst(std::int64_t* second) {
    while (At(oldest_).IsDone()) {
      At(oldest_).Clear();
      ++oldest_;
      if (oldest_ >= next_second_ + kSeconds) {
        oldest_ = next_second_;
      }
    }
    *second = oldest_;
    return At(oldest_).Take();
  }

 private:
  static constexpr std::size_t kTakenKept = 1'024;  // fewer are not worth moving the rest

  struct Second {
    std::vector<std::uint32_t> entries;
    std::size_t head = 0;  // entries before it were taken
    std::uint32_t Take() {
      const std::uint32_t slot = entries[head++];
      if (head > kTakenKept && head > entries.size() / 2) {
        entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(head));
        head = 0;
      }
      return slot;
    }
    bool IsDone() const { return head == entries.size(); }
    void Clear() {
      entries.clear();
      head = 0;
    }
  };

  Second& At(std::int64_t second) { return seconds_[static_cast<std::size_t>(second % kSeconds)]; }

  std::array<Second, kSeconds> seconds_;
  std::int64_t next_second_ = 0;
  std::int64_t oldest_ = 0;
};

}  // namespace weir
