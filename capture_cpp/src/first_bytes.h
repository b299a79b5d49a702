// Puts the first bytes of one direction of a conversation in order, whatever order they come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bytes.h"

namespace weir {

// Payload of one TCP segment.
struct SegmentBytes {
  Bytes captured;          // as far as it was captured
  std::uint32_t sequence;  // of its first byte
  std::uint32_t size;      // on the wire
  std::int32_t ahead;      // of what is expected of its side, by so many bytes; negative: behind
};

class FirstBytes {
 public:
  // Takes what is new in a segment, until there are `most` bytes; returns whether it brought any in order
  // or the end. Segments that came early are kept as well, the nearest of them as far as all fits into
  // `most`, for when what is missing before them comes.
  bool Add(const SegmentBytes& segment, std::size_t most);

  // The beginning will not come: takes what came early for it.
  void GiveUp(std::size_t most);

  bool is_waiting() const { return !bytes_.empty() || !early_.empty(); }
  bool is_over() const { return is_over_; }  // nothing can follow: as many bytes as wanted, or a segment was captured in part
  Bytes bytes() const { return AsBytes(bytes_); }
  std::string Take() { return std::move(bytes_); }
  std::uint32_t next_sequence() const { return next_sequence_; }
  std::size_t capacity() const;

 private:
  struct Early {
    std::uint32_t sequence;
    std::uint32_t size;  // on the wire
    std::string bytes;
  };

  static Bytes AsBytes(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
  void Keep(const SegmentBytes& segment, std::size_t most);
  void Shorten(std::size_t room);
  bool Append(const SegmentBytes& segment, std::size_t most);
  void AppendEarly(std::size_t most);

  std::string bytes_;         // in order
  std::vector<Early> early_;  // the nearest first
  std::uint32_t next_sequence_ = 0;
  bool is_begun_ = false;
  bool is_over_ = false;
};

}  // namespace weir
