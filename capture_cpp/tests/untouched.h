// Whether nothing is known of a conversation.
#pragma once

#include "application/fields.h"

namespace weir::test {

inline bool IsUntouched(const Fields& fields) {
  bool is_untouched = true;
  for (std::size_t i = 0; i < kTextFields; ++i) {
    is_untouched = is_untouched && !fields.Has(static_cast<TextField>(i));
  }
  for (std::size_t i = 0; i < kNumberFields; ++i) {
    is_untouched = is_untouched && fields.Number(static_cast<NumberField>(i)) == kUnsaid;
  }
  return is_untouched;
}

}  // namespace weir::test
