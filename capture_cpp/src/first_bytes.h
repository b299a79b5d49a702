// Puts the first bytes of one direction of a conversation in order, whatever order they come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bytes.h"

namespace weir {

// Payload of one TCP segment.
struct SegmentBytes {
  Bytes captured;         // as far as it was captured
  std::uint32_t sequence;  // of its first byte
  std::uint32_t size;      // on the wire
  std::uint32_t missing;   // bytes before it that are not yet seen
};

class FirstBytes {
 public:
  // Takes what is new in a segment, until there are `most` bytes; returns whether it brought any in order
  // or the end. One segment that came early is kept as well, as far as both fit into `most`, for when what
  // is missing before it comes.
  bool Add(const SegmentBytes& segment, std::size_t most);

  // The beginning will not come: takes what came early for it.
  void GiveUp();

  bool is_waiting() const { return !bytes_.empty() || !early_.empty(); }
  bool is_over() const { return is_over_; }  // nothing can follow: as many bytes as wanted, or a segment was captured in part
  Bytes bytes() const { return AsBytes(bytes_); }
  std::string Take() { return std::move(bytes_); }
  std::uint32_t next_sequence() const { return next_sequence_; }
  std::size_t capacity() const { return bytes_.capacity() + early_.capacity(); }

 private:
  static Bytes AsBytes(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
  bool Append(const SegmentBytes& segment, std::size_t most);

  std::string bytes_;  // in order
  std::string early_;
  std::uint32_t next_sequence_ = 0;
  std::uint32_t early_sequence_ = 0;
  std::uint32_t early_size_ = 0;  // on the wire
  bool is_begun_ = false;
  bool is_over_ = false;
};

}  // namespace weir
