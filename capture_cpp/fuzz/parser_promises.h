// What each parser of an application protocol must keep, whatever bytes come.
#pragma once

#include <algorithm>
#include <utility>

#include "application/parser.h"
#include "exact_bytes.h"
#include "require.h"
#include "untouched.h"

namespace weir::fuzz {

inline void RequireSafe(const Fields& fields) {
  for (std::size_t i = 0; i < kTextFields; ++i) {
    const std::string_view text = fields.Text(static_cast<TextField>(i));
    Require(text.size() <= Fields::kLongestText, "no text is longer than a column takes");
    Require(std::ranges::all_of(text, [](char letter) { return letter >= ' ' && letter <= '~'; }), "every text is printable");
  }
  for (std::size_t i = 0; i < kNumberFields; ++i) {
    const std::int32_t number = fields.Number(static_cast<NumberField>(i));
    Require(number >= kUnsaid && number <= 0xffff, "every number is one of a protocol");
  }
}

inline Verdict ParseExactly(Parser parse, Stretch stretch, Fields* fields) {
  const test::ExactBytes exact(stretch.bytes);
  stretch.bytes = exact.bytes();
  return parse(stretch, fields);
}

// The first byte says what is known of the direction and the second where the bytes are cut: first
// the part before the cut is shown, then the whole, then the rest as the other side's answer.
inline void KeepPromises(Parser parse, std::uint16_t port, Bytes input) {
  if (input.size() < 2) {
    return;
  }
  const std::uint8_t known = input[0];
  const Bytes bytes = input.subspan(2, std::min(input.size() - 2, kMostFirstBytes));
  const std::size_t cut = std::min<std::size_t>(input[1], bytes.size());
  const bool has_port = (known & 1) != 0;
  const auto source = static_cast<std::uint16_t>(has_port && (known & 8) != 0 ? port : 40'000);
  const auto destination = static_cast<std::uint16_t>(has_port && (known & 8) == 0 ? port : 40'001);
  Stretch stretch{bytes.first(cut), (known & 2) == 0, (known & 4) != 0, false, source, destination};
  Fields fields;
  const Verdict first = ParseExactly(parse, stretch, &fields);
  Require(first != Verdict::kNo || test::IsUntouched(fields), "nothing is set where a parser says no");
  stretch.bytes = bytes;
  stretch.is_last = true;
  Require(ParseExactly(parse, stretch, &fields) != Verdict::kMore, "nobody asks for more where nothing follows");
  fields.Set(TextField::kApp, "known");
  stretch.bytes = bytes.subspan(cut);
  stretch.is_forward = !stretch.is_forward;
  std::swap(stretch.source_port, stretch.destination_port);
  Require(ParseExactly(parse, stretch, &fields) != Verdict::kMore, "nobody asks for more where nothing follows");
  RequireSafe(fields);
}

}  // namespace weir::fuzz
