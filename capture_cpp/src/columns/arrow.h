// Columns as Arrow arrays, through the C data interface: two structs with a stable ABI, so no
// Arrow library is needed. https://arrow.apache.org/docs/format/CDataInterface.html
#pragma once

#include <cstdint>
#include <memory>

#include "columns/flow_batch.h"
#include "columns/flow_tile.h"

extern "C" {

// NOLINTBEGIN: names and types are the specification's.
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif
// NOLINTEND
}

namespace weir {

// The Arrow format string of a column: "l", "i", "g" or "u".
const char* ArrowFormat(ColumnType type);

// Describes the columns as one struct; the caller releases it.
void ExportSchema(ArrowSchema* schema);

// Shows a batch as one struct array without copying; it keeps them alive until released.
void ExportArray(const std::shared_ptr<const FlowBatch>& batch, ArrowArray* array);

}  // namespace weir
