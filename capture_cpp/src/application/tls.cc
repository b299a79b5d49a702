#include "application/tls.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "application/cursor.h"
#include "application/ja4.h"
#include "application/lines.h"

namespace weir {
namespace {

constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kServerHello = 2;
constexpr std::size_t kRecordHeaderBytes = 5;
constexpr std::size_t kLargestRecord = 16'384 + 2'048;
constexpr std::size_t kMessageHeaderBytes = 4;
constexpr std::size_t kLargestHello = 65'536;  // with keys of any algorithm in use
constexpr std::size_t kRandomBytes = 32;
constexpr std::uint16_t kOldestVersion = 0x0300;
constexpr std::uint16_t kNewestVersion = 0x0304;
constexpr std::uint16_t kDraft = 0x7f00;  // of TLS 1.3, with its number
constexpr std::uint16_t kLastDraft = kDraft + 28;

enum Extension : std::uint16_t { kServerName = 0, kSignatureAlgorithms = 13, kAlpn = 16, kSupportedVersions = 43 };

bool IsVersion(std::uint16_t version) { return version >= kOldestVersion && version <= kNewestVersion; }

bool IsDraft(std::uint16_t version) { return version > kDraft && version <= kLastDraft; }

void SetVersion(std::uint16_t version, Fields* fields) {
  constexpr std::array<std::string_view, 5> kNames{"SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"};
  if (IsVersion(version)) {
    fields->Set(TextField::kTlsVersion, kNames[version - kOldestVersion]);
  } else if (IsDraft(version)) {
    fields->Set(TextField::kTlsVersion, "TLS 1.3 draft " + std::to_string(version - kDraft));
  }
}

void AddAll(Bytes bytes, Offered* numbers) {
  for (std::size_t at = 0; at + 2 <= bytes.size(); at += 2) {
    numbers->Add(ReadBig16(bytes, at));
  }
}

// The first name of type host_name (RFC 6066).
std::string_view HostName(Bytes extension) {
  Cursor list(extension);
  Cursor names(list.Take(list.Take16()));
  const std::uint8_t type = names.Take8();
  const Bytes name = names.Take(names.Take16());
  return names.is_good() && type == 0 ? AsText(name) : std::string_view();
}

// What a client offers (RFC 7301), joined by commas; `first` is the one it likes best.
std::string Alpn(Bytes extension, std::string_view* first) {
  Cursor list(extension);
  Cursor protocols(list.Take(list.Take16()));
  std::string joined;
  while (!protocols.is_empty()) {
    const std::string_view protocol = AsText(protocols.Take(protocols.Take8()));
    if (!protocols.is_good()) {
      break;
    }
    *first = first->empty() ? protocol : *first;
    joined.append(joined.empty() ? "" : ",").append(protocol);
  }
  return joined;
}

// Also of versions that nobody knows, as JA4 has it.
std::uint16_t HighestOffered(Bytes extension) {
  Cursor list(extension);
  Cursor versions(list.Take(list.Take8()));
  std::uint16_t highest = 0;
  while (!versions.is_empty() && versions.is_good()) {
    const std::uint16_t version = versions.Take16();
    highest = IsGrease(version) ? highest : std::max(highest, version);
  }
  return highest;
}

struct Names {
  std::string_view server;
  std::string alpn;
};

bool ReadExtensions(Bytes bytes, ClientHello* hello, Names* names) {
  Cursor cursor(bytes);
  while (!cursor.is_empty()) {
    const std::uint16_t type = cursor.Take16();
    const Bytes extension = cursor.Take(cursor.Take16());
    if (!cursor.is_good()) {
      return false;
    }
    hello->extensions.Add(type);
    if (type == kServerName) {
      hello->has_server_name = true;
      names->server = HostName(extension);
    } else if (type == kAlpn) {
      names->alpn = Alpn(extension, &hello->first_alpn);
    } else if (type == kSupportedVersions) {
      hello->version = std::max(hello->version, HighestOffered(extension));
    } else if (type == kSignatureAlgorithms) {
      Cursor list(extension);
      hello->signatures.Clear();  // of several, the last one counts
      AddAll(list.Take(list.Take16()), &hello->signatures);
    }
  }
  return true;
}

void ReadServerHello(Bytes body, Fields* fields) {
  Cursor cursor(body);
  std::uint16_t version = cursor.Take16();
  cursor.Skip(kRandomBytes);
  const bool is_short = IsDraft(version);  // up to draft 21 without session and compression, and with its version in front
  cursor.Skip(is_short ? 0 : cursor.Take8());
  const std::uint16_t cipher = cursor.Take16();
  cursor.Skip(is_short ? 0 : 1);
  if (!cursor.is_good()) {
    return;
  }
  Cursor extensions(cursor.Take(cursor.Take16()));
  while (!extensions.is_empty()) {
    const std::uint16_t type = extensions.Take16();
    Cursor extension(extensions.Take(extensions.Take16()));
    if (!extensions.is_good()) {
      break;
    }
    version = type == kSupportedVersions ? extension.Take16() : version;
  }
  fields->Set(NumberField::kTlsCipher, cipher);
  SetVersion(version, fields);
}

// The handshake message of several records, as far as it came.
void JoinRecords(Bytes bytes, std::vector<std::uint8_t>* joined) {
  Cursor cursor(bytes);
  while (!cursor.is_empty()) {
    const std::uint8_t type = cursor.Take8();
    cursor.Skip(2);
    const std::size_t length = cursor.Take16();
    if (!cursor.is_good() || type != kHandshake) {
      return;
    }
    const Bytes part = cursor.rest().first(std::min(length, cursor.rest().size()));
    joined->insert(joined->end(), part.begin(), part.end());
    cursor.Skip(length);
  }
}

// Bytes behind warnings, which a server may send before its hello, as RFC 6066, section 3, has it.
Bytes BehindAlerts(Bytes bytes) {
  constexpr std::uint8_t kAlert = 21;
  constexpr std::size_t kAlertBytes = 2;
  while (bytes.size() > kRecordHeaderBytes + kAlertBytes && bytes[0] == kAlert && bytes[1] == kOldestVersion >> 8 && ReadBig16(bytes, 3) == kAlertBytes) {
    bytes = bytes.subspan(kRecordHeaderBytes + kAlertBytes);
  }
  return bytes;
}

}  // namespace

bool ReadClientHello(Bytes body, char transport, Fields* fields) {
  Cursor cursor(body);
  ClientHello hello;
  const std::uint16_t legacy_version = cursor.Take16();
  cursor.Skip(kRandomBytes);
  cursor.Skip(cursor.Take8());
  const Bytes ciphers = cursor.Take(cursor.Take16());
  cursor.Skip(cursor.Take8());
  if (!cursor.is_good() || ciphers.size() < 2) {
    return false;
  }
  // SSL 3.0 ended here.
  const Bytes extensions = cursor.is_empty() ? Bytes() : cursor.Take(cursor.Take16());
  Names names;
  if (!cursor.is_good() || !ReadExtensions(extensions, &hello, &names)) {
    return false;
  }
  AddAll(ciphers, &hello.ciphers);
  hello.version = hello.version == 0 ? legacy_version : hello.version;
  fields->Set(TextField::kTlsSni, names.server);
  fields->Set(TextField::kTlsAlpn, names.alpn);
  const Ja4Letters ja4 = Ja4(transport, &hello);
  fields->Set(TextField::kTlsJa4, std::string_view(ja4.data(), ja4.size()));
  return true;
}

Verdict ParseTls(const Stretch& stretch, Fields* fields) {
  const Bytes bytes = BehindAlerts(stretch.bytes);
  if (stretch.is_udp || bytes.size() < kRecordHeaderBytes + 1 || bytes[0] != kHandshake || bytes[1] != kOldestVersion >> 8) {
    return Verdict::kNo;
  }
  const std::size_t record_bytes = ReadBig16(bytes, 3);
  const std::uint8_t message = bytes[kRecordHeaderBytes];
  if (bytes[2] > 4 || record_bytes == 0 || record_bytes > kLargestRecord || (message != kClientHello && message != kServerHello)) {
    return Verdict::kNo;
  }
  // Nearly always one record holds it all.
  const bool is_one_record = record_bytes >= kMessageHeaderBytes && kRecordHeaderBytes + record_bytes <= bytes.size() &&
                             ReadBig16(bytes, kRecordHeaderBytes + 2) + kMessageHeaderBytes <= record_bytes;
  std::vector<std::uint8_t> joined;
  if (!is_one_record) {
    JoinRecords(bytes, &joined);
  }
  Cursor cursor(is_one_record ? bytes.subspan(kRecordHeaderBytes, record_bytes) : Bytes(joined));
  cursor.Skip(1);
  const std::size_t length = cursor.Take24();
  if (length > kLargestHello) {
    return Verdict::kNo;
  }
  if (!cursor.is_good() || cursor.rest().size() < length) {
    const bool may_come = !stretch.is_last && length < kMostFirstBytes;
    return may_come ? Verdict::kMore : length >= kMostFirstBytes ? Verdict::kDone : Verdict::kNo;
  }
  const Bytes body = cursor.Take(length);
  if (message == kServerHello) {
    ReadServerHello(body, fields);
    return Verdict::kDone;
  }
  return ReadClientHello(body, 't', fields) ? Verdict::kDone : Verdict::kNo;
}

}  // namespace weir
