// Flow rows as bytes: what every target that takes a stream of rows is fed with.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "flows/rows.h"

namespace weir::sensor {

// Begin() once, Encode() as often as there are rows, End() once: put together, a whole document.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual void Begin(std::string* out) = 0;
  // Appends the rows [from, from + count).
  virtual void Encode(const Rows& rows, std::size_t from, std::size_t count, std::string* out) = 0;
  virtual void End(std::string* out) = 0;
};

// One JSON object a line, each column by its name. Text that is no UTF-8 gets U+FFFD where it is
// not; numbers that JSON has not (NaN, infinities) and nulls are null.
std::unique_ptr<Encoder> MakeJsonEncoder();

// The Arrow IPC streaming format, uncompressed, as pyarrow.ipc.open_stream reads it. `schema` is
// only looked at here; throws std::invalid_argument where it has a type that cannot be written.
std::unique_ptr<Encoder> MakeArrowEncoder(const ArrowSchema& schema);

}  // namespace weir::sensor
