#include "application/fields_pool.h"

#include <new>

namespace weir {

FieldsPool::FieldsPool(std::size_t most) : most_(most), fields_(static_cast<Fields*>(ReserveZeroed(most * sizeof(Fields)))) {
  free_.reserve(most);  // so that nothing can fail where one is given back
}

FieldsPool::~FieldsPool() {
  std::destroy_n(fields_, used_);
  ReleaseReserved(fields_, most_ * sizeof(Fields));
}

FieldsPool::Handle FieldsPool::Take() {
  if (!free_.empty()) {
    Fields* fields = free_.back();
    free_.pop_back();
    if (!free_.empty()) {
      free_.back()->Prefetch();  // the next one, which may have been put away long ago
    }
    return Handle(fields, {this});
  }
  if (used_ == most_) {
    throw std::bad_alloc();
  }
  return Handle(new (&fields_[used_++]) Fields, {this});
}

}  // namespace weir
