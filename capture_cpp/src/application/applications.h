// Listens to the first bytes of conversations until a parser has what it wants to know.
//
// Only flows whose first bytes a parser knows take memory here, and all of them together no more
// than they were given; beyond that, conversations go unread and are counted. Nothing here touches
// a packet's outcome or the flow's other columns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "application/fields.h"
#include "application/fields_pool.h"
#include "application/parser.h"
#include "application/protocols.h"
#include "first_bytes.h"
#include "memory.h"

namespace weir {

class Applications {
 public:
  explicit Applications(std::size_t most_bytes) : most_bytes_(most_bytes), pool_(most_bytes / sizeof(Fields) + 2), states_(kUnread + 1) {}

  struct Segment {
    Stretch stretch;             // payload as far as it was captured
    std::uint32_t sequence = 0;  // TCP: of its first byte of payload
    std::uint32_t size = 0;      // of the payload on the wire
    std::int32_t ahead = 0;      // TCP: of what is expected of its direction, by so many bytes; negative: behind
  };

  // Shows the next payload of a flow. `index` is the flow's, 0 until something is known of it, or kUnread.
  // Returns whether more of this direction is wanted.
  bool Listen(const Segment& segment, std::uint32_t* index);

  // Ask for the memory that Take() will touch: first one, then the other.
  void Prefetch(std::uint32_t index) const { PrefetchLine(&states_[index]); }
  void PrefetchFields(std::uint32_t index) const {
    if (const Fields* fields = states_[index].fields.get(); fields != nullptr) {
      fields->Prefetch();
    }
  }

  // What is known of the flow that ends, or nothing; its index is free again.
  FieldsPool::Handle Take(std::uint32_t index);

  // Flows of which something went unread because memory was short; each is counted once.
  std::uint64_t unread() const { return unread_; }

 private:
  struct Direction {
    FirstBytes first;  // waiting for the rest
    Stretch heard{};   // who sent them; its own bytes are gone
    std::uint8_t segments = 0;
  };
  using Directions = std::array<Direction, 2>;
  // Small, as it is looked at again when the flow ends; few conversations ever wait for more bytes.
  struct State {
    FieldsPool::Handle fields;  // none while no parser knows the flow
    Parser parse = nullptr;
    std::unique_ptr<Directions> waiting;
    std::uint32_t counted_bytes = 0;  // of most_bytes_
    bool is_unread = false;           // as far as its flow is in unread_
  };
  static constexpr std::uint32_t kUnread = 1;  // the index of flows that have no state as memory was short

  // The first parser that knows some bytes, if any; its fields are in scratch_ then.
  struct Finding {
    const Protocol* protocol = nullptr;
    Verdict verdict = Verdict::kNo;
  };

  Finding Recognise(const Stretch& stretch);
  void Adopt(const Protocol& protocol, State* state);
  void NoteUnread(State* state);
  bool LeaveUnread(std::uint32_t* index);
  Verdict Ask(const Stretch& stretch, State* state);
  State* StateOf(std::uint32_t* index);
  bool CanWait() const { return used_bytes_ + kMostFirstBytes <= most_bytes_; }
  bool Begin(const Segment& segment, std::uint32_t* index);
  bool Hold(const Segment& segment, State* state);
  bool Continue(const Segment& segment, State* state);
  bool Join(const Segment& segment, Direction* direction, State* state);
  bool Heed(Verdict verdict, const Segment& segment, State* state);
  void Conclude(Direction* direction, State* state);
  void Settle(State* state);

  std::size_t most_bytes_;
  std::size_t used_bytes_ = 0;
  std::uint64_t unread_ = 0;
  FieldsPool pool_;
  FieldsPool::Handle scratch_ = pool_.Take();  // empty but while a parser is asked
  std::vector<State> states_;  // up to kUnread they are nobody's
  std::vector<std::uint32_t> free_;
};

}  // namespace weir
