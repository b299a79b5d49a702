// Room for the fields of many conversations, side by side on large pages: they are filled when a
// flow begins and read when it ends, with thousands of others in between.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "application/fields.h"

namespace weir {

class FieldsPool {
 public:
  // Has room for `most` at once; memory is taken as it is used, and kept.
  explicit FieldsPool(std::size_t most);
  FieldsPool(const FieldsPool&) = delete;
  FieldsPool& operator=(const FieldsPool&) = delete;
  ~FieldsPool();

  struct GiveBack {
    FieldsPool* pool;
    void operator()(Fields* fields) const {
      fields->Clear();
      pool->free_.push_back(fields);
    }
  };
  using Handle = std::unique_ptr<Fields, GiveBack>;

  // Empty ones, the latest given back first. Throws std::bad_alloc where there is no room.
  Handle Take();

 private:
  std::size_t most_;
  Fields* fields_;
  std::size_t used_ = 0;  // have been taken at least once
  std::vector<Fields*> free_;
};

}  // namespace weir
