#include "application/modbus.h"

namespace weir {
namespace {

constexpr std::uint16_t kPort = 502;
constexpr std::size_t kHeaderBytes = 7;       // transaction, protocol, length, unit
constexpr std::size_t kBeforeLength = 6;      // what the length does not count
constexpr std::size_t kLeastLength = 2;       // unit and function
constexpr std::size_t kMostLength = 254;
constexpr std::uint8_t kExceptionBit = 0x80;
constexpr std::size_t kReadOrWriteBytes = 12;  // a whole request of functions 1 to 6
constexpr std::uint8_t kLastSimpleFunction = 6;
constexpr std::uint8_t kWriteCoils = 15;
constexpr std::uint8_t kWriteRegisters = 16;
constexpr std::size_t kBeforeValues = 13;  // of a request to write several
constexpr std::uint8_t kEncapsulated = 43;
constexpr std::uint8_t kReadIdentification = 14;
constexpr std::size_t kReadIdentificationBytes = 11;

bool IsResponse(const Stretch& stretch) { return stretch.HasPort(kPort) ? stretch.source_port == kPort : !stretch.is_forward; }

// Whether a request to write several coils or registers says the same number of bytes in each of its counts.
bool AgreesOnValues(Bytes bytes, std::uint8_t function) {
  const std::size_t values = ReadBig16(bytes, 10);
  const std::size_t needed = function == kWriteCoils ? (values + 7) / 8 : 2 * values;
  return values > 0 && Read8(bytes, kBeforeValues - 1) == needed && bytes.size() == kBeforeValues + needed;
}

// On another port only a request is believed whose every length fits.
bool IsUnmistakable(const Stretch& stretch, std::size_t length, std::uint8_t function) {
  const Bytes bytes = stretch.bytes;
  if (!stretch.is_forward || length + kBeforeLength != bytes.size()) {
    return false;
  }
  if (function == kWriteCoils || function == kWriteRegisters) {
    return bytes.size() > kBeforeValues && AgreesOnValues(bytes, function);
  }
  if (function == kEncapsulated) {
    return bytes.size() == kReadIdentificationBytes && Read8(bytes, kHeaderBytes + 1) == kReadIdentification;
  }
  return bytes.size() == kReadOrWriteBytes && function >= 1 && function <= kLastSimpleFunction;
}

}  // namespace

Verdict ParseModbus(const Stretch& stretch, Fields* fields) {
  const Bytes bytes = stretch.bytes;
  if (stretch.is_udp || bytes.size() < kHeaderBytes + 1 || ReadBig16(bytes, 2) != 0) {
    return Verdict::kNo;
  }
  const std::size_t length = ReadBig16(bytes, 4);
  const std::uint8_t function = Read8(bytes, kHeaderBytes);
  const bool is_response = IsResponse(stretch);
  const auto plain_function = static_cast<std::uint8_t>(function & ~kExceptionBit);
  if (length < kLeastLength || length > kMostLength || plain_function == 0 || (function != plain_function && !is_response)) {
    return Verdict::kNo;
  }
  if (!stretch.HasPort(kPort) && !fields->Has(TextField::kApp) && !IsUnmistakable(stretch, length, function)) {
    return Verdict::kNo;
  }
  fields->Set(NumberField::kModbusUnit, Read8(bytes, kHeaderBytes - 1));
  fields->Set(NumberField::kModbusFunction, plain_function);
  if (function != plain_function && bytes.size() > kHeaderBytes + 1) {
    fields->Set(NumberField::kModbusException, Read8(bytes, kHeaderBytes + 1));
  } else if (function != plain_function && !stretch.is_last) {
    return Verdict::kMore;
  }
  return Verdict::kDone;
}

}  // namespace weir
