// Finished flows as columns, on their way to whoever asked for them.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "columns/column_buffer.h"
#include "record/payload_keeper.h"

namespace weir {

struct FlowBatch {
  // Values, or for text the offsets and the characters.
  struct Column {
    ColumnBuffer values;
    ColumnBuffer offsets;
  };
  std::vector<Column> columns;  // those of FlowColumnDefinitions(), in order
  std::int64_t rows = 0;

  // Payloads that were wished for, with the row of their flow.
  struct Kept {
    std::int64_t row = 0;
    FirstPayloads payloads;
  };
  std::vector<Kept> kept;
};

// Takes a batch. Its memory is used again for a later one as soon as nobody holds it any more.
using FlowSink = std::function<void(std::shared_ptr<const FlowBatch>)>;

// Rows of a batch: enough that handing one over costs little beside filling it.
inline constexpr std::int64_t kBatchRows = 4'096;

// All rows in a single batch, however many.
inline constexpr std::int64_t kAllRows = std::numeric_limits<std::int64_t>::max();

}  // namespace weir
