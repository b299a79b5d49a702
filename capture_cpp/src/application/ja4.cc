#include "application/ja4.h"

#include <nettle/sha2.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>

#include "application/digest.h"
#include "bytes.h"
#include "hex.h"

namespace weir {
namespace {

constexpr std::string_view kNoHash = "000000000000";
constexpr std::uint16_t kServerName = 0x0000;
constexpr std::uint16_t kAlpn = 0x0010;
constexpr std::size_t kMostCounted = 99;

void AppendList(std::span<const std::uint16_t> numbers, std::string* text) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::array<char, 4> digits = HexDigits<4>(numbers[i]);
    text->append(i == 0 ? "" : ",").append(digits.data(), digits.size());
  }
}

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
    text.append(second.empty() ? "" : "_");
    AppendList(second, &text);
    std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest;
    sha256_ctx hash;  // NOLINT(cppcoreguidelines-pro-type-member-init): the next line does
    sha256_init(&hash);
    sha256_update(&hash, text.size(), reinterpret_cast<const std::uint8_t*>(text.data()));
    TakeDigest(&sha256_digest, &hash, &digest);
    kept = {std::string(AsKey(first)), std::string(AsKey(second)), {}};
    for (const std::uint8_t byte : std::span(digest).first(kNoHash.size() / 2)) {
      kept.hash.append(HexDigits<2>(byte).data(), 2);
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
    CopyFew(letters_.data() + size_, text.data(), text.size());
    size_ += text.size();
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
    writer->Put(HexDigits<2>(static_cast<unsigned char>(alpn.front())).front());
    writer->Put(HexDigits<2>(static_cast<unsigned char>(alpn.back())).back());
  }
}

}  // namespace

Ja4Letters Ja4(char transport, ClientHello* hello) {
  Writer ja4;
  ja4.Put(transport);
  ja4.Put(VersionWord(hello->version));
  ja4.Put(hello->has_server_name ? 'd' : 'i');
  ja4.PutCount(hello->ciphers.size());
  ja4.PutCount(hello->extensions.size());
  PutAlpn(hello->first_alpn, &ja4);

  hello->ciphers.Sort();
  ja4.Put('_');
  ja4.Put(ShortHash(hello->ciphers.all(), {}));
  hello->extensions.Drop(kServerName);
  hello->extensions.Drop(kAlpn);
  hello->extensions.Sort();
  ja4.Put('_');
  ja4.Put(ShortHash(hello->extensions.all(), hello->signatures.all()));
  return ja4.letters();
}

}  // namespace weir
