#include "application/ja4.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>

#include "application/sha256.h"

namespace weir {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::string_view kNoHash = "000000000000";
constexpr std::uint16_t kServerName = 0x0000;
constexpr std::uint16_t kAlpn = 0x0010;
constexpr std::size_t kMostCounted = 99;

void AppendList(std::span<const std::uint16_t> numbers, std::string* to) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::uint16_t number = numbers[i];
    const std::array<char, 5> letters{',', kDigits[number >> 12], kDigits[number >> 8 & 0xf], kDigits[number >> 4 & 0xf], kDigits[number & 0xf]};
    to->append(letters.data() + (i == 0 ? 1 : 0), letters.size() - (i == 0 ? 1 : 0));
  }
}

// Numbers of a hello without GREASE, as many as are looked at.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what was added is read
class Numbers {
 public:
  static constexpr std::size_t kMost = 512;

  void Add(std::span<const std::uint16_t> numbers) {
    for (const std::uint16_t number : numbers) {
      if (!IsGrease(number) && size_ < kMost) {
        numbers_[size_++] = number;
      }
    }
  }
  void Drop(std::uint16_t unwanted) { size_ = static_cast<std::size_t>(std::ranges::remove(begin(), end(), unwanted).begin() - begin()); }
  void Sort() { std::ranges::sort(begin(), end()); }

  std::size_t size() const { return size_; }
  std::span<const std::uint16_t> all() const { return {numbers_.data(), size_}; }

 private:
  std::uint16_t* begin() { return numbers_.data(); }
  std::uint16_t* end() { return numbers_.data() + size_; }

  std::array<std::uint16_t, kMost> numbers_;
  std::size_t size_ = 0;
};

std::string_view AsKey(std::span<const std::uint16_t> numbers) { return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}; }

// The first twelve digits of the SHA-256 of two lists; zeros for none. The same few clients say hello
// again and again, so the latest hashes are kept.
std::string_view ShortHash(std::span<const std::uint16_t> first, std::span<const std::uint16_t> second) {
  struct Known {
    std::string first;
    std::string second;
    std::string hash;
  };
  constexpr std::size_t kKept = 64;
  thread_local std::array<Known, kKept> known;
  if (first.empty()) {
    return kNoHash;
  }
  Known& kept = known[(std::hash<std::string_view>()(AsKey(first)) + std::hash<std::string_view>()(AsKey(second))) % kKept];
  if (kept.hash.empty() || kept.first != AsKey(first) || kept.second != AsKey(second)) {
    std::string text;
    AppendList(first, &text);
    if (!second.empty()) {
      text.push_back('_');
      AppendList(second, &text);
    }
    const Digest digest = Sha256(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    kept = {std::string(AsKey(first)), std::string(AsKey(second)), {}};
    for (std::size_t i = 0; i < kNoHash.size() / 2; ++i) {
      kept.hash.append({kDigits[digest[i] >> 4], kDigits[digest[i] & 0xf]});
    }
  }
  return kept.hash;
}

std::string_view VersionWord(std::uint16_t version) {
  switch (version) {
    case 0x0304:
      return "13";
    case 0x0303:
      return "12";
    case 0x0302:
      return "11";
    case 0x0301:
      return "10";
    case 0x0300:
      return "s3";
    case 0x0002:
      return "s2";
    case 0xfeff:
      return "d1";
    case 0xfefd:
      return "d2";
    case 0xfefc:
      return "d3";
    default:
      return "00";
  }
}

// Puts a fingerprint together, which has as many letters whatever the client says.
class Writer {
 public:
  void Put(char letter) { letters_[size_++] = letter; }
  void Put(std::string_view text) {
    for (const char letter : text) {
      Put(letter);
    }
  }
  void PutCount(std::size_t count) {
    const std::size_t counted = std::min(count, kMostCounted);
    Put(static_cast<char>('0' + counted / 10));
    Put(static_cast<char>('0' + counted % 10));
  }
  const Ja4Letters& letters() const { return letters_; }

 private:
  Ja4Letters letters_ = {};
  std::size_t size_ = 0;
};

bool IsAlphanumeric(char letter) {
  return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

// First and last letter, or where one of them is none the first and last digit in hexadecimal.
void PutAlpn(std::string_view alpn, Writer* writer) {
  if (alpn.empty()) {
    writer->Put("00");
  } else if (IsAlphanumeric(alpn.front()) && IsAlphanumeric(alpn.back())) {
    writer->Put(alpn.front());
    writer->Put(alpn.back());
  } else {
    writer->Put(kDigits[static_cast<unsigned char>(alpn.front()) >> 4]);
    writer->Put(kDigits[static_cast<unsigned char>(alpn.back()) & 0xf]);
  }
}

}  // namespace

Ja4Letters Ja4(const HelloFacts& hello) {
  Numbers ciphers;
  Numbers extensions;
  Numbers signatures;
  ciphers.Add(hello.ciphers);
  extensions.Add(hello.extensions);
  signatures.Add(hello.signatures);
  Writer ja4;
  ja4.Put(hello.transport);
  ja4.Put(VersionWord(hello.version));
  ja4.Put(hello.has_server_name ? 'd' : 'i');
  ja4.PutCount(ciphers.size());
  ja4.PutCount(extensions.size());
  PutAlpn(hello.first_alpn, &ja4);

  ciphers.Sort();
  ja4.Put('_');
  ja4.Put(ShortHash(ciphers.all(), {}));
  extensions.Drop(kServerName);
  extensions.Drop(kAlpn);
  extensions.Sort();
  ja4.Put('_');
  ja4.Put(ShortHash(extensions.all(), signatures.all()));
  return ja4.letters();
}

}  // namespace weir
