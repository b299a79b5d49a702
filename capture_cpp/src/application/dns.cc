#include "application/dns.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "application/cursor.h"

namespace weir {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::array<std::uint16_t, 3> kPorts{53, 5353, 5355};
constexpr int kMostJumps = 16;
constexpr std::size_t kLongestName = 255;
constexpr std::uint16_t kResponse = 0x8000;
constexpr std::uint16_t kReserved = 0x0040;
constexpr std::uint16_t kInternet = 1;
constexpr std::uint16_t kAnyClass = 255;
constexpr std::uint16_t kClassBits = 0x7fff;  // the first one means something else in multicast DNS

struct Header {
  std::uint16_t flags;
  std::uint16_t questions;
  std::uint16_t answers;

  std::int32_t opcode() const { return flags >> 11 & 0xf; }
  std::int32_t rcode() const { return flags & 0xf; }
};

// A name being put together; nearly every conversation has one, so no memory is asked for.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what was appended is read
class Name {
 public:
  bool HasRoomFor(std::size_t length) const { return size_ + length <= kLongestName; }
  void AppendLabel(Bytes label) {
    if (size_ > 0) {
      letters_[size_++] = '.';
    }
    CopyFew(letters_.data() + size_, label.data(), label.size());
    size_ += label.size();
  }
  std::string_view text() const { return {letters_.data(), size_}; }

 private:
  std::array<char, kLongestName + 1> letters_;
  std::size_t size_ = 0;
};

// Reads a name at `*at` and moves behind it. Labels may be taken from further ahead in the message;
// each jump must lead backwards, so there is an end. False when the name is broken.
bool ReadName(Bytes message, std::size_t* at, Name* name) {
  std::size_t here = *at;
  std::size_t lowest = here;
  bool has_jumped = false;
  for (int jumps = 0; jumps < kMostJumps;) {
    if (here >= message.size()) {
      return false;
    }
    const std::size_t length = message[here];
    if (length >= 0xc0) {
      if (here + 2 > message.size()) {
        return false;
      }
      const std::size_t target = ReadBig16(message, here) & 0x3fffu;
      if (!has_jumped) {
        *at = here + 2;
      }
      if (target >= lowest) {
        return false;
      }
      has_jumped = true;
      here = lowest = target;
      ++jumps;
      continue;
    }
    if (length > 63 || here + 1 + length > message.size() || !name->HasRoomFor(length)) {
      return false;
    }
    if (length == 0) {
      *at = has_jumped ? *at : here + 1;
      return true;
    }
    name->AppendLabel(message.subspan(here + 1, length));
    here += 1 + length;
  }
  return false;
}

bool IsPlain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char letter) { return letter > ' ' && letter < 0x7f; });
}

// On a port that says nothing, only a message that could hardly be anything else is believed.
bool IsUnmistakable(const Header& header) {
  constexpr std::uint16_t kMostAnswers = 64;
  return header.questions == 1 && header.answers <= kMostAnswers && header.opcode() == 0 && (header.flags & kReserved) == 0;
}
bool IsUnmistakable(std::string_view name, std::uint16_t type, std::uint16_t name_class) {
  constexpr std::uint16_t kMostKnownType = 65;
  return IsPlain(name) && ((type >= 1 && type <= kMostKnownType) || type == kAnyClass) && name_class == kInternet;
}

// Whether a message holds a record of EDNS (RFC 6891, section 6.1) and nothing else.
bool HoldsOnlyOpt(Bytes message) {
  constexpr std::size_t kCountsAt = 4;
  constexpr std::uint16_t kOpt = 41;
  Cursor cursor(message.subspan(kCountsAt));
  const bool is_one_record = cursor.Take32() == 0 && cursor.Take32() == 1;  // no question, answer or authority, one additional
  const bool is_opt = cursor.Take8() == 0 && cursor.Take16() == kOpt;  // the name is the root's
  cursor.Skip(2 + 4);  // class and time to live
  cursor.Skip(cursor.Take16());
  return is_one_record && is_opt && cursor.is_good() && cursor.is_empty();
}

void SetAnswer(const Header& header, Fields* fields) {
  fields->Set(NumberField::kDnsRcode, header.rcode());
  fields->Set(NumberField::kDnsAnswers, header.answers);
}

// A server that can make nothing of a question may answer with no more than a header, or with a record of EDNS behind it.
Verdict ParseMessage(Bytes message, bool is_expected, Fields* fields) {
  if (message.size() < kHeaderBytes) {
    return Verdict::kNo;
  }
  const Header header{ReadBig16(message, 2), ReadBig16(message, 4), ReadBig16(message, 6)};
  constexpr std::int32_t kMostOpcode = 6;
  const bool is_known = header.opcode() <= kMostOpcode;
  const bool is_answer = is_expected && (header.flags & kResponse) != 0 && header.questions == 0;
  const bool is_refusal = is_answer && (message.size() == kHeaderBytes || HoldsOnlyOpt(message));
  if (is_known && is_refusal) {
    SetAnswer(header, fields);
    return Verdict::kDone;
  }
  const bool is_sound = is_known && (header.questions > 0 || header.answers > 0);
  if (!is_sound || (!is_expected && !IsUnmistakable(header))) {
    return Verdict::kNo;
  }
  // A multicast answer asks nothing; then the first answer's name stands for the question.
  std::size_t at = kHeaderBytes;
  Name name;
  if (!ReadName(message, &at, &name) || at + 4 > message.size()) {
    return Verdict::kNo;
  }
  const std::uint16_t type = ReadBig16(message, at);
  const std::uint16_t name_class = ReadBig16(message, at + 2) & kClassBits;
  const bool is_class = name_class >= kInternet && name_class <= kAnyClass;
  if (!is_class || (!is_expected && !IsUnmistakable(name.text(), type, name_class))) {
    return Verdict::kNo;
  }
  fields->Set(TextField::kDnsQname, name.text().empty() ? "." : name.text());
  fields->Set(NumberField::kDnsQtype, type);
  if ((header.flags & kResponse) != 0) {
    SetAnswer(header, fields);
  }
  return Verdict::kDone;
}

}  // namespace

Verdict ParseDns(const Stretch& stretch, Fields* fields) {
  const bool is_expected = std::ranges::any_of(kPorts, [&](std::uint16_t port) { return stretch.HasPort(port); });
  if (stretch.is_udp) {
    return ParseMessage(stretch.bytes, is_expected, fields);
  }
  Cursor cursor(stretch.bytes);
  const std::size_t length = cursor.Take16();
  if (!is_expected || !cursor.is_good() || length < kHeaderBytes) {
    return Verdict::kNo;
  }
  if (length > cursor.rest().size() && !stretch.is_last) {
    return Verdict::kMore;
  }
  return ParseMessage(cursor.rest().first(std::min(length, cursor.rest().size())), is_expected, fields);
}

}  // namespace weir
