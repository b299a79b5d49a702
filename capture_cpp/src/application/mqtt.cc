#include "application/mqtt.h"

#include "application/cursor.h"
#include "application/lines.h"

namespace weir {
namespace {

constexpr std::uint8_t kConnect = 1;
constexpr std::uint8_t kConnack = 2;
constexpr std::uint8_t kPublish = 3;
constexpr std::uint8_t kVersion5 = 5;
constexpr std::uint8_t kBridge = 0x80;  // set in the version where a broker connects to another, as mosquitto does

// A number of one to four bytes, seven bits each, the low ones first.
bool TakeLength(Cursor* cursor, std::size_t* length) {
  *length = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const std::uint8_t byte = cursor->Take8();
    *length |= std::size_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) {
      return cursor->is_good();
    }
  }
  return false;
}

struct Connect {
  std::uint8_t level;
  Bytes client_id;
};

// Verdict::kMore where the bytes end inside the packet.
Verdict ReadConnect(Bytes bytes, Connect* connect) {
  Cursor cursor(bytes);
  const std::uint8_t first = cursor.Take8();
  std::size_t length = 0;
  if (first != kConnect << 4 || (!TakeLength(&cursor, &length) && cursor.is_good())) {
    return Verdict::kNo;
  }
  const std::string_view name = AsText(cursor.Take(cursor.Take16()));
  connect->level = static_cast<std::uint8_t>(cursor.Take8() & ~kBridge);
  const bool is_name = (name == "MQTT" && connect->level >= 4 && connect->level <= kVersion5) || (name == "MQIsdp" && connect->level == 3);
  if (!is_name) {
    return Verdict::kNo;
  }
  cursor.Skip(1 + 2);  // flags and keep alive
  std::size_t properties = 0;
  if (connect->level == kVersion5 && TakeLength(&cursor, &properties)) {
    cursor.Skip(properties);
  }
  connect->client_id = cursor.Take(cursor.Take16());
  return cursor.is_good() ? Verdict::kDone : Verdict::kMore;
}

// Passes packets until a PUBLISH with a topic, which version 5 may leave out for an alias; Verdict::kNo where the bytes are
// no packets any more.
Verdict FindTopic(Bytes bytes, Bytes* topic) {
  Cursor cursor(bytes);
  while (!cursor.is_empty()) {
    const std::uint8_t type = cursor.Take8() >> 4;
    std::size_t length = 0;
    if (!TakeLength(&cursor, &length)) {
      return cursor.is_good() ? Verdict::kNo : Verdict::kMore;
    }
    if (type == 0) {
      return Verdict::kNo;
    }
    if (type != kPublish) {
      cursor.Skip(length);
      continue;
    }
    *topic = cursor.Take(cursor.Take16());
    const std::size_t read = topic->size() + 2;
    if (!cursor.is_good() || read > length) {
      return cursor.is_good() ? Verdict::kNo : Verdict::kMore;
    }
    if (!topic->empty()) {
      return Verdict::kDone;
    }
    cursor.Skip(length - read);
  }
  return Verdict::kMore;
}

}  // namespace

Verdict ParseMqtt(const Stretch& stretch, Fields* fields) {
  const Bytes bytes = stretch.bytes;
  if (stretch.is_udp || bytes.size() < 2) {
    return Verdict::kNo;
  }
  if (bytes[0] == kConnect << 4) {
    Connect connect{};
    const Verdict verdict = ReadConnect(bytes, &connect);
    if (verdict != Verdict::kDone) {
      return verdict == Verdict::kMore && stretch.is_last ? Verdict::kDone : verdict;
    }
    fields->Set(TextField::kMqttClientId, connect.client_id);
  } else if (bytes[0] != kConnack << 4 || !fields->Has(TextField::kApp)) {
    return Verdict::kNo;
  }
  Bytes topic;
  const Verdict found = FindTopic(bytes, &topic);
  if (found == Verdict::kDone) {
    fields->Set(TextField::kMqttTopic, topic);
  }
  return found == Verdict::kMore && !stretch.is_last ? Verdict::kMore : Verdict::kDone;
}

}  // namespace weir
