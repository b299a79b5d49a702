// What a fuzz target demands: a broken promise stops it, so that the input is kept.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace weir::fuzz {

inline void Require(bool is_kept, const char* promise) {
  if (!is_kept) {
    std::fprintf(stderr, "broken promise: %s\n", promise);
    std::abort();
  }
}

}  // namespace weir::fuzz
