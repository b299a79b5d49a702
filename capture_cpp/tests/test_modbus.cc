#include "application/modbus.h"

#include <gtest/gtest.h>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::ParseBytes;
using test::operator+;

TEST(Modbus, KeepsUnitFunctionAndException) {
  const Fields request = FieldsOf("modbus", test::ModbusRequest(), 502);
  EXPECT_EQ(request.Number(NumberField::kModbusUnit), 17);
  EXPECT_EQ(request.Number(NumberField::kModbusFunction), 3);
  EXPECT_EQ(request.Number(NumberField::kModbusException), kUnsaid);
  EXPECT_EQ(FieldsOf("modbus", test::ModbusException(), 502, false).Number(NumberField::kModbusException), 2);
}

TEST(Modbus, IsKnownOnAnotherPortWhereEveryLengthFits) {
  EXPECT_EQ(FieldsOf("modbus", test::ModbusRequest(), 5'020).Number(NumberField::kModbusFunction), 3);
  Fields fields;
  const Frame longer = test::ModbusRequest() + Frame{0};
  EXPECT_EQ(ParseBytes(Find("modbus"), longer, {"modbus", longer, false, 5'020}, true, &fields), Verdict::kNo);
}

}  // namespace
}  // namespace weir
