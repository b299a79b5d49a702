#include "application/quic.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "application/cursor.h"
#include "application/quic_keys.h"
#include "application/tls.h"
#include "hex.h"

namespace weir {
namespace {

constexpr std::size_t kMostConnectionId = 20;
constexpr std::uint8_t kClientHello = 1;

// A number of 1, 2, 4 or 8 bytes, as its first two bits say (RFC 9000, section 16).
std::uint64_t TakeNumber(Cursor* cursor) {
  const std::uint8_t first = cursor->Take8();
  std::uint64_t number = first & 0x3f;
  for (unsigned more = (1u << (first >> 6)) - 1; more > 0; --more) {
    number = number << 8 | cursor->Take8();
  }
  return number;
}

// A packet with a long header (RFC 9000, section 17.2).
struct LongPacket {
  std::uint32_t version = 0;
  std::uint8_t type = 0;
  Bytes connection_id;  // of the receiver
  Bytes whole;
  std::size_t number_at = 0;  // where the packet number begins in `whole`
};

bool IsInitial(const LongPacket& packet) {
  const QuicVersion* version = FindQuicVersion(packet.version);
  return version != nullptr && packet.type == version->initial_type;
}

// Takes a packet off the front, and the zeros that may fill the datagram before it. False where there is none, or not all of it.
bool TakePacket(Bytes* bytes, LongPacket* packet) {
  while (!bytes->empty() && bytes->front() == 0) {
    *bytes = bytes->subspan(1);
  }
  Cursor cursor(*bytes);
  const std::uint8_t first = cursor.Take8();
  if ((first & 0xc0) != 0xc0) {
    return false;
  }
  packet->type = first >> 4 & 3;
  packet->version = cursor.Take32();
  const std::size_t id_bytes = cursor.Take8();
  packet->connection_id = cursor.Take(id_bytes);
  const std::size_t sender_bytes = cursor.Take8();
  cursor.Skip(sender_bytes);
  if (!cursor.is_good() || id_bytes > kMostConnectionId || sender_bytes > kMostConnectionId || packet->version == 0) {
    return false;
  }
  if (IsInitial(*packet)) {
    cursor.Skip(TakeNumber(&cursor));
  }
  const std::uint64_t length = TakeNumber(&cursor);
  packet->number_at = bytes->size() - cursor.rest().size();
  cursor.Skip(length);
  if (!cursor.is_good()) {
    return false;
  }
  packet->whole = bytes->first(bytes->size() - cursor.rest().size());
  *bytes = cursor.rest();
  return true;
}

// Pieces of the TLS handshake, which come in any order.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what came is read
class Handshake {
 public:
  void Add(std::uint64_t offset, Bytes piece) {
    if (count_ == pieces_.size() || offset > bytes_.size() || piece.size() > bytes_.size() - offset) {
      return;
    }
    std::ranges::copy(piece, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    pieces_[count_++] = {offset, offset + piece.size()};
  }

  // Reads the client's hello once it is whole.
  bool Read(Fields* fields) {
    Cursor cursor(Known());
    const std::uint8_t message = cursor.Take8();
    const Bytes body = cursor.Take(cursor.Take24());
    return cursor.is_good() && message == kClientHello && ReadClientHello(body, 'q', fields);
  }

 private:
  struct Piece {
    std::uint64_t begin;
    std::uint64_t end;
  };

  // The bytes from the beginning to the first gap.
  Bytes Known() {
    std::sort(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(count_), [](const Piece& one, const Piece& other) { return one.begin < other.begin; });
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < count_ && pieces_[i].begin <= end; ++i) {
      end = std::max(end, pieces_[i].end);
    }
    return {bytes_.data(), end};
  }

  std::array<std::uint8_t, kMostFirstBytes> bytes_;  // only what pieces cover is looked at
  std::array<Piece, 64> pieces_;
  std::size_t count_ = 0;
};

// Frames that an Initial packet may hold (RFC 9000, section 12.4); at any other the reading ends.
void ReadFrames(Bytes plain, Handshake* handshake) {
  enum : std::uint8_t { kPadding = 0, kPing = 1, kAck = 2, kAckEcn = 3, kCrypto = 6 };
  Cursor cursor(plain);
  for (;;) {
    const Bytes rest = cursor.rest();
    cursor.Skip(static_cast<std::size_t>(std::ranges::find_if(rest, [](std::uint8_t byte) { return byte != kPadding; }) - rest.begin()));
    if (cursor.is_empty() || !cursor.is_good()) {
      return;
    }
    const std::uint8_t type = cursor.Take8();
    if (type == kCrypto) {
      const std::uint64_t offset = TakeNumber(&cursor);
      handshake->Add(offset, cursor.Take(TakeNumber(&cursor)));
    } else if (type == kAck || type == kAckEcn) {
      TakeNumber(&cursor);  // largest acknowledged
      TakeNumber(&cursor);  // delay
      std::uint64_t ranges = TakeNumber(&cursor);
      TakeNumber(&cursor);  // first range
      for (; ranges > 0 && cursor.is_good(); --ranges) {
        TakeNumber(&cursor);
        TakeNumber(&cursor);
      }
      for (int count = 0; type == kAckEcn && count < 3; ++count) {
        TakeNumber(&cursor);
      }
    } else if (type != kPing) {
      return;
    }
  }
}

// Takes off the header protection (RFC 9001, section 5.4) and decrypts. False where the keys are not the packet's.
bool Open(const QuicKeys& keys, const LongPacket& packet, std::string* plain) {
  constexpr std::size_t kSampleAfter = 4;
  const std::size_t sample_at = packet.number_at + kSampleAfter;
  if (packet.whole.size() < sample_at + QuicKeys::kSampleBytes) {
    return false;
  }
  const auto mask = keys.Mask(packet.whole.subspan(sample_at, QuicKeys::kSampleBytes));
  std::string header(reinterpret_cast<const char*>(packet.whole.data()), sample_at);
  header[0] = static_cast<char>(header[0] ^ (mask[0] & 0x0f));
  const std::size_t number_bytes = (static_cast<std::uint8_t>(header[0]) & 3u) + 1;
  header.resize(packet.number_at + number_bytes);
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < number_bytes; ++i) {
    char& byte = header[packet.number_at + i];
    byte = static_cast<char>(byte ^ mask[1 + i]);
    number = number << 8 | static_cast<std::uint8_t>(byte);
  }
  return keys.Open(number, {reinterpret_cast<const std::uint8_t*>(header.data()), header.size()}, packet.whole.subspan(header.size()), plain);
}

// The hello may be spread over several datagrams. After a Retry the client's identifier for the
// server, and so the keys, are new.
bool ReadHello(Bytes bytes, const LongPacket& first, Fields* fields) {
  constexpr int kMostRetries = 2;   // keys take longer than what they open
  constexpr int kMostFailures = 4;  // packets that no key opens
  QuicKeys keys(*FindQuicVersion(first.version), first.connection_id);
  int retries = 0;
  int failures = 0;
  Handshake handshake;
  LongPacket packet;
  std::string plain;
  while (failures < kMostFailures && TakePacket(&bytes, &packet)) {
    if (!IsInitial(packet)) {
      continue;
    }
    bool is_open = Open(keys, packet, &plain);
    if (!is_open && retries < kMostRetries && !std::ranges::equal(packet.connection_id, first.connection_id)) {
      ++retries;
      keys = QuicKeys(*FindQuicVersion(packet.version), packet.connection_id);
      is_open = Open(keys, packet, &plain);
    }
    failures += is_open ? 0 : 1;
    if (is_open) {
      ReadFrames({reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()}, &handshake);
    }
  }
  return handshake.Read(fields);
}

void SetVersion(std::uint32_t version, Fields* fields) {
  std::array<char, 10> text{'0', 'x'};
  std::ranges::copy(HexDigits<8>(version), text.begin() + 2);
  fields->Set(TextField::kQuicVersion, std::string_view(text.data(), text.size()));
}

// Versions of QUIC that cannot be read: drafts, and what Google sent before them.
bool IsForeignVersion(std::uint32_t version) { return version >> 8 == 0xff0000 || version >> 24 == 'Q' || version >> 24 == 'T'; }

}  // namespace

Verdict ParseQuic(const Stretch& stretch, Fields* fields) {
  constexpr std::uint16_t kHttps = 443;
  constexpr std::size_t kLeastDatagram = 1'200;  // of a client that begins; anything less is refused by servers
  if (!stretch.is_udp) {
    return Verdict::kNo;
  }
  Bytes rest = stretch.bytes;
  LongPacket first;
  if (rest.empty() || rest.front() == 0 || !TakePacket(&rest, &first)) {
    return Verdict::kNo;
  }
  if (IsInitial(first)) {
    SetVersion(first.version, fields);
    const bool is_done = !stretch.is_forward || ReadHello(stretch.bytes, first, fields) || stretch.is_last;
    return is_done ? Verdict::kDone : Verdict::kMore;
  }
  const bool is_believed = stretch.HasPort(kHttps) && stretch.bytes.size() >= kLeastDatagram && IsForeignVersion(first.version);
  if (!is_believed && !fields->Has(TextField::kApp)) {
    return Verdict::kNo;
  }
  SetVersion(first.version, fields);
  return Verdict::kDone;
}

}  // namespace weir
