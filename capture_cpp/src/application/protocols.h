// The application protocols that are known over TCP or UDP, in the order in which they are tried.
#pragma once

#include <span>
#include <string_view>

#include "application/parser.h"

namespace weir {

struct Protocol {
  std::string_view name;  // as the column `app` says it
  Parser parse;
};

std::span<const Protocol> Protocols(bool is_udp);

}  // namespace weir
